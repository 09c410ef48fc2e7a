export function LensMark() {
  return (
    <svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="3" aria-hidden="true">
      <circle cx="14" cy="14" r="10.5" />
      <path d="M14 3.5v21" stroke-width="1.5" />
      <path d="m21.6 21.6 7.4 7.4" stroke-linecap="round" />
    </svg>
  );
}
