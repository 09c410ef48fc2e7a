import { describe, expect, it } from "vitest";
import { chooseLevel, type Level, pixelsOf, visibleTiles } from "./tiles";
import { fit } from "./view";

function aLevel(width: number, height: number): Level {
  return { width, height, columns: Math.ceil(width / 512), rows: Math.ceil(height / 512), tiles: [] };
}

const levels = [aLevel(2000, 1000), aLevel(1000, 500), aLevel(500, 250)];
const picture = { width: 2000, height: 1000 };
const pane = { width: 500, height: 500 };

describe("the level", () => {
  it("has a pixel for each pixel of the screen, and not many more", () => {
    expect(chooseLevel(levels, 500)).toBe(2);
    expect(chooseLevel(levels, 501)).toBe(1);
    expect(chooseLevel(levels, 1700)).toBe(0);
  });

  it("is the full size where that is too small", () => {
    expect(chooseLevel(levels, 16_000)).toBe(0);
  });
});

describe("visible tiles", () => {
  it("are all of them while the whole picture is shown", () => {
    const area = visibleTiles(levels[0] as Level, 512, fit(picture, pane), picture, pane);
    expect(area).toEqual({ left: 0, top: 0, right: 4, bottom: 2 });
  });

  it("are few at full size, whatever the picture's size", () => {
    const view = { zoom: 1, center: { x: 0.5, y: 0.5 } };
    expect(visibleTiles(levels[0] as Level, 512, view, picture, pane)).toEqual({ left: 1, top: 0, right: 3, bottom: 2 });
  });

  it("are those of an original that is enlarged", () => {
    const view = { zoom: 8, center: { x: 0.99, y: 0.01 } };
    expect(visibleTiles(levels[1] as Level, 512, view, picture, pane)).toEqual({ left: 1, top: 0, right: 2, bottom: 1 });
  });

  it("never leave the picture", () => {
    const view = { zoom: 8, center: { x: 2, y: -2 } };
    const { left, top, right, bottom } = visibleTiles(levels[0] as Level, 512, view, picture, pane);
    expect([left, right, top, bottom]).toEqual([3, 4, 0, 1]);
  });
});

it("an area ends where the picture ends", () => {
  const area = { left: 1, top: 1, right: 4, bottom: 2 };
  expect(pixelsOf(area, levels[0] as Level, 512)).toEqual({ x: 512, y: 512, width: 1488, height: 488 });
});
