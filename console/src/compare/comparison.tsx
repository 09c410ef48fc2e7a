import { useEffect, useRef, useState } from "preact/hooks";
import { fill, texts } from "../texts";
import { Divider } from "./divider";
import { useGestures } from "./gestures";
import { Pane, type Source } from "./pane";
import { TwinLens } from "./twin-lens";
import { type Mode, MODES, useStage } from "./stage";
import { LARGEST_RATIO, type Size } from "./view";

interface Props {
  before: Source;
  after: Source;
  picture: Size;
}

const RATIOS = [1, 2, 4, LARGEST_RATIO];
const STEP = 48;

/** Original and result, over each other with a divider, beside each other, or below two lenses. */
export function Comparison({ before, after, picture }: Props) {
  const t = texts().compare;
  const [mode, setMode] = useState<Mode>("slider");
  const [split, setSplit] = useState(50);
  const [ratio, setRatio] = useState(2);
  const [isBroken, setIsBroken] = useState(false);
  const element = useRef<HTMLDivElement>(null);
  const stage = useStage(element, picture, mode);
  const { pane, view, spot } = stage;
  const isLens = mode === "lens";
  const zoomLens = (by: number): void => setRatio((now) => Math.min(Math.max(now * by, 1), LARGEST_RATIO));
  const gestures = useGestures({
    onPan: (by) => !isLens && stage.pan(by),
    onZoom: (factor, at) => (isLens ? zoomLens(factor) : stage.zoomBy(factor, at)),
    onHover: stage.setSpot,
  });
  useEffect(() => {
    // a wheel listener that may stop the page from scrolling has to say so
    const stop = gestures.wheel;
    const current = element.current;
    current?.addEventListener("wheel", stop, { passive: false });
    return () => current?.removeEventListener("wheel", stop);
  });
  const onKey = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    if (by) {
      const [x = 0, y = 0] = by;
      if (isLens) stage.setSpot({ x: spot.x - x / 3, y: spot.y - y / 3 });
      else stage.pan({ x, y });
    } else if (event.key === "+" || event.key === "=") isLens ? zoomLens(2) : stage.zoomBy(2);
    else if (event.key === "-") isLens ? zoomLens(0.5) : stage.zoomBy(0.5);
    else if (event.key === "0") stage.fit();
    else if (event.key === "1") isLens ? setRatio(1) : stage.zoomToRatio(1);
    else return;
    event.preventDefault();
  };
  const chosen = isLens ? Math.round(ratio) : stage.ratio;
  return (
    <div class="comparison">
      <div class="tools">
        <div class="row" role="group" aria-label={t.view}>
          {MODES.map((each) => (
            <button key={each} aria-pressed={mode === each} onClick={() => setMode(each)}>
              {t[each]}
            </button>
          ))}
        </div>
        <div class="row" role="group" aria-label={t.zoom}>
          {!isLens && (
            <button aria-pressed={stage.isFit} onClick={stage.fit}>
              {t.fit}
            </button>
          )}
          {RATIOS.map((each) => (
            <button
              key={each}
              aria-pressed={chosen === each}
              onClick={() => (isLens ? setRatio(each) : stage.zoomToRatio(each))}
            >
              {fill("{n}:1", { n: each })}
            </button>
          ))}
        </div>
      </div>
      <div
        ref={element}
        class={`stage ${mode}`}
        tabIndex={0}
        role="application"
        aria-label={t.stage}
        onKeyDown={onKey}
        {...gestures.pointer}
      >
        {mode === "side" ? (
          <>
            <div class="half">
              <Pane source={before} picture={picture} pane={pane} view={view} label={t.beforeNote} />
            </div>
            <div class="half">
              <Pane source={after} picture={picture} pane={pane} view={view} label={t.after} />
            </div>
          </>
        ) : (
          <>
            <Pane
              source={before}
              picture={picture}
              pane={pane}
              view={view}
              label={t.beforeNote}
              cutRight={isLens ? 0 : 100 - split}
              onBroken={() => setIsBroken(true)}
            />
            <Pane
              source={after}
              picture={picture}
              pane={pane}
              view={view}
              label={t.after}
              cutLeft={isLens ? 100 : split}
              onBroken={() => setIsBroken(true)}
            />
            {mode === "slider" && <Divider split={split} onChange={setSplit} />}
            {isLens && (
              <TwinLens
                before={before}
                after={after}
                picture={picture}
                pane={pane}
                view={view}
                at={spot}
                zoom={ratio / window.devicePixelRatio}
              />
            )}
          </>
        )}
        {!isLens && (
          <>
            <span class="label start">{t.before}</span>
            <span class="label end">{t.after}</span>
          </>
        )}
        {isBroken && <p class="notice">{t.cannotShow}</p>}
      </div>
    </div>
  );
}
