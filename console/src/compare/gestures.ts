import { useRef } from "preact/hooks";
import type { Point } from "./view";

interface Actions {
  onPan: (by: Point) => void;
  /** `factor` changes the zoom, `at` stays where it is. */
  onZoom: (factor: number, at: Point) => void;
  onHover: (at: Point) => void;
}

interface PointerHandlers {
  onPointerDown: (event: PointerEvent) => void;
  onPointerMove: (event: PointerEvent) => void;
  onPointerUp: (event: PointerEvent) => void;
  onPointerCancel: (event: PointerEvent) => void;
}

const WHEEL_SPEED = 0.0015;

/** Turns mouse, touch and pen into movements of the picture: one pointer moves it, two zoom. */
export function useGestures(actions: Actions): { pointer: PointerHandlers; wheel: (event: WheelEvent) => void } {
  const pointers = useRef(new Map<number, Point>());
  const end = (event: PointerEvent): void => void pointers.current.delete(event.pointerId);
  const move = (event: PointerEvent): void => {
    const now = positionIn(event);
    actions.onHover(now);
    const before = pointers.current.get(event.pointerId);
    if (!before) return;
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    pointers.current.set(event.pointerId, now);
    if (other) actions.onZoom(distance(now, other) / (distance(before, other) || 1), middle(now, other));
    else actions.onPan({ x: now.x - before.x, y: now.y - before.y });
  };
  return {
    pointer: {
      onPointerDown: (event) => {
        if (event.button !== 0) return;
        (event.currentTarget as Element).setPointerCapture(event.pointerId);
        pointers.current.set(event.pointerId, positionIn(event));
        actions.onHover(positionIn(event));
      },
      onPointerMove: move,
      onPointerUp: end,
      onPointerCancel: end,
    },
    wheel: (event) => {
      event.preventDefault();
      actions.onZoom(Math.exp(-event.deltaY * WHEEL_SPEED), positionIn(event));
    },
  };
}

function positionIn(event: MouseEvent): Point {
  const box = (event.currentTarget as Element).getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function middle(one: Point, other: Point): Point {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}
