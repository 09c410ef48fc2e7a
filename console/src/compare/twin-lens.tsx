import { texts } from "../texts";
import { Pane, type Source } from "./pane";
import { type Point, pointAt, type Size, type View } from "./view";

interface Props {
  before: Source;
  after: Source;
  picture: Size;
  pane: Size;
  view: View;
  at: Point;
  zoom: number;
}

const GAP = 8;

/** Two lenses over one spot of the picture, side by side: how it was, and how it is now. */
export function TwinLens({ before, after, picture, pane, view, at, zoom }: Props) {
  const t = texts().compare;
  const side = Math.floor(Math.min(320, (pane.width - 3 * GAP) / 2, pane.height - 2 * GAP));
  const spot = pointAt(at, view, picture, pane);
  const within = { zoom, center: { x: unit(spot.x), y: unit(spot.y) } };
  const width = 2 * side + GAP;
  const left = Math.min(Math.max(at.x - width / 2, GAP), pane.width - width - GAP);
  const top = Math.min(Math.max(at.y - side / 2, GAP), pane.height - side - GAP);
  const lens = { width: side, height: side };
  return (
    <div class="twin" style={{ transform: `translate(${left}px, ${top}px)`, gap: `${GAP}px` }}>
      <figure class="glass" style={{ width: `${side}px`, height: `${side}px` }}>
        <Pane source={before} picture={picture} pane={lens} view={within} label={t.beforeNote} />
        <figcaption>{t.before}</figcaption>
      </figure>
      <figure class="glass" style={{ width: `${side}px`, height: `${side}px` }}>
        <Pane source={after} picture={picture} pane={lens} view={within} label={t.after} />
        <figcaption>{t.after}</figcaption>
      </figure>
    </div>
  );
}

function unit(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
