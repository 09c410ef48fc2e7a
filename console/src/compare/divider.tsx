import { texts } from "../texts";

interface Props {
  split: number;
  onChange: (split: number) => void;
}

const STEP = 2;
const KEYS: Record<string, number> = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP };

/** The line between before and after. Pointers drag it, and so do arrow keys. */
export function Divider({ split, onChange }: Props) {
  const drag = (event: PointerEvent & { currentTarget: HTMLElement }): void => {
    const stage = event.currentTarget.parentElement;
    if (!stage || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = stage.getBoundingClientRect();
    onChange(bounded((100 * (event.clientX - box.left)) / box.width));
  };
  return (
    <div
      class="divider"
      role="slider"
      tabIndex={0}
      aria-label={texts().compare.divider}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(split)}
      style={{ left: `${split}%` }}
      onPointerDown={(event) => {
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        event.stopPropagation();
        drag(event);
      }}
      onKeyDown={(event) => {
        const step = KEYS[event.key];
        if (step === undefined) return;
        event.preventDefault();
        event.stopPropagation();
        onChange(bounded(split + step));
      }}
    >
      <span class="grip" aria-hidden="true" />
    </div>
  );
}

function bounded(split: number): number {
  return Math.min(Math.max(split, 0), 100);
}
