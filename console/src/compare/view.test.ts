import { describe, expect, it } from "vitest";
import { clamp, fit, fitZoom, offset, pan, parseSize, pointAt, zoomTo } from "./view";

const picture = { width: 1000, height: 500 };
const pane = { width: 500, height: 500 };

describe("a view", () => {
  it("shows the whole picture at first", () => {
    expect(fitZoom(picture, pane)).toBe(0.5);
    expect(offset(fit(picture, pane), picture, pane)).toEqual({ x: 0, y: 125 });
  });

  it("keeps the point below the pointer when the zoom changes", () => {
    const at = { x: 400, y: 250 };
    const before = fit(picture, pane);
    const after = zoomTo(2, at, before, picture, pane, 8);
    expect(pointAt(at, after, picture, pane).x).toBeCloseTo(pointAt(at, before, picture, pane).x);
  });

  it("never zooms beyond its limits", () => {
    const view = fit(picture, pane);
    const middle = { x: 250, y: 250 };
    expect(zoomTo(99, middle, view, picture, pane, 8).zoom).toBe(8);
    expect(zoomTo(0.01, middle, view, picture, pane, 8).zoom).toBe(0.5);
  });

  it("follows the hand, and stops at the edge", () => {
    const view = { zoom: 1, center: { x: 0.5, y: 0.5 } };
    expect(pan({ x: 100, y: 0 }, view, picture, pane).center.x).toBeCloseTo(0.4);
    expect(pan({ x: 9999, y: 0 }, view, picture, pane).center.x).toBe(0.25);
  });

  it("keeps a small picture in the middle", () => {
    expect(clamp({ zoom: 0.1, center: { x: 0.9, y: 0.9 } }, picture, pane).center).toEqual({ x: 0.5, y: 0.5 });
  });
});

it("reads sizes of the API", () => {
  expect(parseSize("1920x1080")).toEqual({ width: 1920, height: 1080 });
  expect(parseSize(null)).toBeUndefined();
});
