/** Finds the visible tiles of a pyramid, and their level. All functions are pure. */
import type { Schemas } from "../api/client";
import { offset, type Size, type View } from "./view";

export type Pyramid = Schemas["Pyramid"];
export type Level = Schemas["Level"];
export type Tile = Schemas["Tile"];

/** Rows and columns of tiles. The ends are not part of it. */
export interface Area {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Returns the number of the smallest level that has a pixel for each pixel of a screen on which the whole picture is
 * `shown` pixels wide. */
export function chooseLevel(levels: readonly Level[], shown: number): number {
  let chosen = 0;
  levels.forEach((level, number) => {
    if (level.width >= Math.floor(shown)) chosen = number;
  });
  return chosen;
}

/** Returns the tiles of a level that the pane shows. */
export function visibleTiles(level: Level, tile: number, view: View, picture: Size, pane: Size): Area {
  const corner = offset(view, picture, pane);
  const along = (start: number, shown: number, zoomed: number, pixels: number, count: number): [number, number] => {
    const first = Math.floor((-start / zoomed) * (pixels / tile));
    const last = Math.ceil(((shown - start) / zoomed) * (pixels / tile));
    const from = Math.min(Math.max(first, 0), count - 1);
    return [from, Math.min(Math.max(last, from + 1), count)];
  };
  const [left, right] = along(corner.x, pane.width, picture.width * view.zoom, level.width, level.columns);
  const [top, bottom] = along(corner.y, pane.height, picture.height * view.zoom, level.height, level.rows);
  return { left, top, right, bottom };
}

/** Returns the pixels of the level that an area covers: its corner and its size. */
export function pixelsOf(area: Area, level: Level, tile: number): Size & { x: number; y: number } {
  const x = area.left * tile;
  const y = area.top * tile;
  return {
    x,
    y,
    width: Math.min(area.right * tile, level.width) - x,
    height: Math.min(area.bottom * tile, level.height) - y,
  };
}
