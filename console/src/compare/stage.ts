import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { clamp, fit, fitZoom, LARGEST_RATIO, pan, type Point, type Size, type View, zoomTo } from "./view";

export const MODES = ["slider", "side", "lens"] as const;
export type Mode = (typeof MODES)[number];

interface Stage {
  pane: Size;
  view: View;
  /** The place of the pointer, or of the lens that the keys have moved. */
  spot: Point;
  setSpot: (spot: Point) => void;
  isFit: boolean;
  /** How many pixels of the screen show one pixel of the result, if that is a whole number. */
  ratio: number;
  fit: () => void;
  pan: (by: Point) => void;
  zoomBy: (factor: number, at?: Point) => void;
  zoomToRatio: (ratio: number) => void;
}

/** Remembers which part of the picture is visible in an element, also when the element's size changes. */
export function useStage(element: RefObject<HTMLElement | null>, picture: Size, mode: Mode): Stage {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const [zoomed, setZoomed] = useState<View>();
  const [spot, setSpot] = useState<Point>();
  useEffect(() => {
    const current = element.current;
    if (!current) return undefined;
    const observer = new ResizeObserver(() => setSize({ width: current.clientWidth, height: current.clientHeight }));
    observer.observe(current);
    return () => observer.disconnect();
  }, []);
  const isHalved = mode === "side";
  const pane = isHalved ? { ...size, width: size.width / 2 } : size;
  const view = zoomed && mode !== "lens" ? clamp(zoomed, picture, pane) : fit(picture, pane);
  const middle = { x: pane.width / 2, y: pane.height / 2 };
  const largest = LARGEST_RATIO / window.devicePixelRatio;
  const zoom = (to: number, at: Point): void => {
    const within = isHalved ? { ...at, x: at.x % pane.width } : at;
    const next = zoomTo(to, within, view, picture, pane, largest);
    setZoomed(next.zoom <= fitZoom(picture, pane) ? undefined : next);
  };
  return {
    pane,
    view,
    spot: spot ?? middle,
    setSpot: (at) => setSpot({ x: within(at.x, pane.width), y: within(at.y, pane.height) }),
    isFit: !zoomed,
    ratio: zoomed ? Math.round(view.zoom * window.devicePixelRatio * 100) / 100 : 0,
    fit: () => setZoomed(undefined),
    pan: (by) => zoomed && setZoomed(pan(by, view, picture, pane)),
    zoomBy: (factor, at = middle) => zoom(view.zoom * factor, at),
    zoomToRatio: (ratio) => setZoomed(zoomTo(ratio / window.devicePixelRatio, middle, view, picture, pane, largest)),
  };
}

function within(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most);
}
