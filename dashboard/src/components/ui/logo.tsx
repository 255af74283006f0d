export function Logo({ size = 20 }: { size?: number }) {
  return (
    <svg aria-hidden width={size} height={size} viewBox="0 0 32 32" className="shrink-0">
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <path
        d="M8 10.5h16M8 16h10M8 21.5h5"
        className="stroke-accent-fg"
        strokeWidth="2.6"
        strokeLinecap="round"
      />
      <circle cx="22.6" cy="21" r="2.6" className="fill-accent-fg" />
    </svg>
  );
}
