interface SparklineProps {
  values: number[];
  label: string;
  className?: string;
}

const WIDTH = 120;
const HEIGHT = 28;

/** The shape of the last hour, no axes; the number beside it says how much. */
export function Sparkline({ values, label, className }: SparklineProps) {
  const peak = Math.max(...values, 1);
  const step = WIDTH / Math.max(values.length - 1, 1);
  const points = values
    .map(
      (value, index) =>
        `${(index * step).toFixed(1)},${(HEIGHT - 2 - (value / peak) * (HEIGHT - 4)).toFixed(1)}`,
    )
    .join(" ");
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      className={className}
    >
      <polyline
        points={points}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinejoin="round"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}
