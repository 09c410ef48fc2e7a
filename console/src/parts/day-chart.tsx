import type { Schemas } from "../api/client";
import { formatDate, texts } from "../texts";

const WIDTH = 720;
const HEIGHT = 160;
const GAP = 4;
const WIDEST = 40;

/** Bars of images by day. Screen readers get the same numbers as a table. */
export function DayChart({ entries }: { entries: readonly Schemas["UsageEntry"][] }) {
  const t = texts().usage;
  const most = Math.max(...entries.map((entry) => entry.used), 0);
  if (most === 0) return <p class="quiet">{t.none}</p>;
  const width = WIDTH / entries.length;
  const bar = Math.min(Math.max(width - GAP, 1), WIDEST);
  return (
    <>
      <p class="quiet" aria-hidden="true">
        {most}
      </p>
      <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {entries.map((entry, at) => {
          const height = (HEIGHT * entry.used) / most;
          return (
            <rect
              key={entry.start}
              x={at * width + (width - bar) / 2}
              y={HEIGHT - height}
              width={bar}
              height={height}
            >
              <title>{`${formatDate(entry.start)}: ${entry.used}`}</title>
            </rect>
          );
        })}
      </svg>
      <p class="row spread quiet" aria-hidden="true">
        <span>{formatDate(entries[0]?.start ?? "")}</span>
        <span>{formatDate(entries.at(-1)?.start ?? "")}</span>
      </p>
      <div class="only-heard">
        <table>
          <caption>{t.days}</caption>
          <thead>
            <tr>
              <th scope="col">{t.day}</th>
              <th scope="col">{t.images}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <tr key={entry.start}>
                <td>{formatDate(entry.start)}</td>
                <td>{entry.used}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
