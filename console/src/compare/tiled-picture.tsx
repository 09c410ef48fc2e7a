import { useEffect, useRef } from "preact/hooks";
import { loadTile } from "./tile-cache";
import { type Area, chooseLevel, type Level, pixelsOf, type Pyramid, visibleTiles } from "./tiles";
import { offset, type Size, type View } from "./view";

interface Props {
  pyramid: Pyramid;
  picture: Size;
  pane: Size;
  view: View;
  label: string;
  onBroken?: (() => void) | undefined;
}

/** The visible tiles of a picture on one canvas, so that no seam shows where it is enlarged. */
export function TiledPicture({ pyramid, picture, pane, view, label, onBroken }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = picture.width * view.zoom * window.devicePixelRatio;
  const number = chooseLevel(pyramid.levels, shown);
  const level = pyramid.levels[number] as Level;
  const area = visibleTiles(level, pyramid.tile_size, view, picture, pane);
  useEffect(() => {
    const drawing = new AbortController();
    if (canvas.current) draw(canvas.current, pyramid, level, area, drawing.signal).catch(onBroken);
    return () => drawing.abort();
  }, [pyramid.url, number, area.left, area.top, area.right, area.bottom]);
  const pixels = pixelsOf(area, level, pyramid.tile_size);
  const corner = offset(view, picture, pane);
  const across = picture.width / level.width;
  const down = picture.height / level.height;
  return (
    <canvas
      ref={canvas}
      class="checker"
      role="img"
      aria-label={label}
      style={{
        width: `${pixels.width * across}px`,
        height: `${pixels.height * down}px`,
        transform:
          `translate(${corner.x + pixels.x * across * view.zoom}px, ${corner.y + pixels.y * down * view.zoom}px) ` +
          `scale(${view.zoom})`,
      }}
    />
  );
}

/** Draws what is there of the smallest level at once, and each tile when it has come. */
async function draw(
  canvas: HTMLCanvasElement,
  pyramid: Pyramid,
  level: Level,
  area: Area,
  signal: AbortSignal,
): Promise<void> {
  delete canvas.dataset.level; // it says that all is drawn
  const pixels = pixelsOf(area, level, pyramid.tile_size);
  const whole = pyramid.levels[pyramid.levels.length - 1] as Level;
  const small = await loadTile(pyramid, whole.tiles[0] as Level["tiles"][0]);
  if (signal.aborted) return;
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  const context = canvas.getContext("2d", { colorSpace: "display-p3" });
  if (!context) throw new Error("no canvas");
  const ratio = small.width / level.width;
  const { x, y, width, height } = pixels;
  context.drawImage(small, x * ratio, y * ratio, width * ratio, height * ratio, 0, 0, width, height);
  const place = async (column: number, row: number): Promise<void> => {
    const tile = await loadTile(pyramid, level.tiles[row * level.columns + column] as Level["tiles"][0]);
    if (signal.aborted) return;
    const left = column * pyramid.tile_size - x;
    const top = row * pyramid.tile_size - y;
    context.clearRect(left, top, tile.width, tile.height);
    context.drawImage(tile, left, top);
  };
  const placing: Promise<void>[] = [];
  for (let row = area.top; row < area.bottom; row++) {
    for (let column = area.left; column < area.right; column++) placing.push(place(column, row));
  }
  await Promise.all(placing);
  if (!signal.aborted) canvas.dataset.level = `${level.width}x${level.height}`;
}
