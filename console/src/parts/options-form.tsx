import { useEffect, useState } from "preact/hooks";
import { api, bodyOf, type Schemas } from "../api/client";
import { FORMATS } from "../api/formats";
import { refusedOptions } from "../state/estimates";
import { change, type Options, options, WITH_LEVELS, WITH_STRENGTH } from "../state/options";
import { fill, texts } from "../texts";
import { Field } from "./field";

const SIZES: readonly Options["size"][] = ["2", "3", "4", "exact"];

/** The options of the next pictures. */
export function OptionsForm() {
  const t = texts().upscale;
  const chosen = options.value;
  const models = useModels();
  return (
    <div class="options">
      <fieldset class="choices">
        <legend>{t.size}</legend>
        {SIZES.map((size) => (
          <label key={size}>
            <input type="radio" name="size" checked={chosen.size === size} onChange={() => change({ size })} />
            <span>{size === "exact" ? t.exact : fill(t.times, { n: size })}</span>
          </label>
        ))}
      </fieldset>
      {chosen.size === "exact" && <ExactSize />}
      <ModelChoice models={models} />
      <label class="field">
        <span>{t.format}</span>
        <select value={chosen.format} onChange={(event) => change({ format: event.currentTarget.value })}>
          <option value="">{t.sameFormat}</option>
          {FORMATS.filter(({ choice }) => choice).map(({ choice, title }) => (
            <option key={choice} value={choice ?? ""}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <details>
        <summary>{t.more}</summary>
        <div class="row">
          <Field
            label={t.quality}
            name="quality"
            isNumber
            value={chosen.quality}
            onChange={(quality) => change({ quality })}
            error={refusedOptions.value}
          />
          {WITH_LEVELS.includes(chosen.model) && (
            <label class="field">
              <span>{t.denoise}</span>
              <select value={chosen.denoise} onChange={(event) => change({ denoise: event.currentTarget.value })}>
                <option value="">{t.denoiseByPicture}</option>
                {t.denoiseLevels.map((title, level) => (
                  <option key={title} value={String(level)}>
                    {title}
                  </option>
                ))}
              </select>
            </label>
          )}
          {chosen.model === WITH_STRENGTH && (
            <label class="field">
              <span>{fill(t.strengthOfRest, { n: chosen.strength })}</span>
              <input
                type="range"
                min="0"
                max="1"
                step="0.05"
                value={chosen.strength}
                onInput={(event) => change({ strength: event.currentTarget.value })}
              />
            </label>
          )}
          <label class="tick">
            <input
              type="checkbox"
              checked={chosen.keepsMetadata}
              onChange={(event) => change({ keepsMetadata: event.currentTarget.checked })}
            />
            <span>{t.metadata}</span>
          </label>
          <label class="tick">
            <input
              type="checkbox"
              checked={chosen.isExact}
              onChange={(event) => change({ isExact: event.currentTarget.checked })}
            />
            <span>{t.precision}</span>
          </label>
        </div>
      </details>
      <ModelNote models={models} />
    </div>
  );
}

function ExactSize() {
  const t = texts().upscale;
  const chosen = options.value;
  return (
    <>
      <Field
        label={t.width}
        name="target_width"
        isNumber
        value={chosen.width}
        onChange={(width) => change({ width })}
        error={refusedOptions.value}
      />
      <Field
        label={t.height}
        name="target_height"
        isNumber
        value={chosen.height}
        onChange={(height) => change({ height })}
        error={refusedOptions.value}
      />
      <label class="field">
        <span>{t.fit}</span>
        <select
          value={chosen.fit}
          onChange={(event) => change({ fit: event.currentTarget.value as Options["fit"] })}
        >
          {(["stretch", "cover", "contain"] as const).map((fit) => (
            <option key={fit} value={fit}>
              {t.fits[fit]}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

type Models = readonly Schemas["ServedModel"][];

/** Reads the models once. Without an answer the chosen one can still be used. */
function useModels(): Models {
  const [models, setModels] = useState<Models>([]);
  useEffect(() => {
    bodyOf(api.GET("/api/models")).then((answer) => setModels(answer.data), () => undefined);
  }, []);
  return models;
}

/** Says what the chosen model is best for. */
function ModelNote({ models }: { models: Models }) {
  const served = models.find((each) => each.name === options.value.model);
  if (!served) return null;
  const bestFor = texts().upscale.bestFor[served.name] ?? served.best_for;
  return (
    <p class="quiet whole">
      {served.name}: {[bestFor, served.licence].filter(Boolean).join(" · ")}
    </p>
  );
}

function ModelChoice({ models }: { models: Models }) {
  const t = texts().upscale;
  const { model } = options.value;
  const names = new Set([model, ...models.map((each) => each.name)]);
  return (
    <label class="field">
      <span>{t.model}</span>
      <select value={model} onChange={(event) => change({ model: event.currentTarget.value })}>
        {[...names].map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
