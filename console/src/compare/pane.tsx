import { TiledPicture } from "./tiled-picture";
import type { Pyramid } from "./tiles";
import { offset, type Size, type View } from "./view";

/** The address of a file that the browser shows, or the tiles of another one. */
export type Source = string | Pyramid;

interface Props {
  source: Source;
  picture: Size;
  pane: Size;
  view: View;
  label: string;
  /** How much of the pane's left side is cut off, in percent. */
  cutLeft?: number;
  cutRight?: number;
  onBroken?: () => void;
}

/** One picture in a pane, at the size of the result: the browser enlarges an original, smoothly. */
export function Pane({ source, picture, pane, view, label, cutLeft = 0, cutRight = 0, onBroken }: Props) {
  const corner = offset(view, picture, pane);
  return (
    <div class="pane" style={{ clipPath: `inset(0 ${cutRight}% 0 ${cutLeft}%)` }}>
      {typeof source === "string" ? (
        <img
          class="checker"
          src={source}
          alt={label}
          draggable={false}
          onError={onBroken}
          style={{
            width: `${picture.width}px`,
            height: `${picture.height}px`,
            transform: `translate(${corner.x}px, ${corner.y}px) scale(${view.zoom})`,
          }}
        />
      ) : (
        <TiledPicture {...{ pyramid: source, picture, pane, view, label, onBroken }} />
      )}
    </div>
  );
}
