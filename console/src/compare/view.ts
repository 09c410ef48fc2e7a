/** Calculates the visible part of a picture, and its size. All functions are pure. */

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface View {
  /** Pixels of the screen's layout for a pixel of the result. */
  zoom: number;
  /** The point of the picture in the middle of the pane, from 0 to 1. */
  center: Point;
}

export const LARGEST_RATIO = 8;

export function parseSize(dimensions: string | null | undefined): Size | undefined {
  const found = /^(\d+)\s*x\s*(\d+)$/.exec(dimensions ?? "");
  return found ? { width: Number(found[1]), height: Number(found[2]) } : undefined;
}

/** Returns the zoom at which the whole picture fits into the pane. */
export function fitZoom(picture: Size, pane: Size): number {
  return Math.min(pane.width / picture.width, pane.height / picture.height) || 1;
}

export function fit(picture: Size, pane: Size): View {
  return { zoom: fitZoom(picture, pane), center: { x: 0.5, y: 0.5 } };
}

/** Returns where the picture's upper left corner lies in the pane. */
export function offset(view: View, picture: Size, pane: Size): Point {
  return {
    x: pane.width / 2 - view.center.x * picture.width * view.zoom,
    y: pane.height / 2 - view.center.y * picture.height * view.zoom,
  };
}

/** Returns the point of the picture, from 0 to 1, at a point of the pane. */
export function pointAt(at: Point, view: View, picture: Size, pane: Size): Point {
  const corner = offset(view, picture, pane);
  return {
    x: (at.x - corner.x) / (picture.width * view.zoom),
    y: (at.y - corner.y) / (picture.height * view.zoom),
  };
}

/** Returns the view with another zoom. The point of the picture below `at` stays where it is. */
export function zoomTo(zoom: number, at: Point, view: View, picture: Size, pane: Size, largest: number): View {
  const bounded = Math.min(Math.max(zoom, Math.min(fitZoom(picture, pane), largest)), largest);
  const below = pointAt(at, view, picture, pane);
  return clamp(
    {
      zoom: bounded,
      center: {
        x: below.x - (at.x - pane.width / 2) / (picture.width * bounded),
        y: below.y - (at.y - pane.height / 2) / (picture.height * bounded),
      },
    },
    picture,
    pane,
  );
}

/** Moves the picture by a distance on the screen. */
export function pan(by: Point, view: View, picture: Size, pane: Size): View {
  const center = {
    x: view.center.x - by.x / (picture.width * view.zoom),
    y: view.center.y - by.y / (picture.height * view.zoom),
  };
  return clamp({ ...view, center }, picture, pane);
}

/** Keeps the pane full: a picture that is smaller than the pane stays in its middle. */
export function clamp(view: View, picture: Size, pane: Size): View {
  const along = (center: number, shown: number): number => {
    const half = shown / 2;
    return half >= 0.5 ? 0.5 : Math.min(Math.max(center, half), 1 - half);
  };
  return {
    zoom: view.zoom,
    center: {
      x: along(view.center.x, pane.width / (picture.width * view.zoom)),
      y: along(view.center.y, pane.height / (picture.height * view.zoom)),
    },
  };
}
