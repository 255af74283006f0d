/** Numbers, times and sizes as people read them. English, 24-hour clock, the viewer's time zone. */
const whole = new Intl.NumberFormat("en-GB");
const oneDigit = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
const compactNumber = new Intl.NumberFormat("en-GB", {
  notation: "compact",
  maximumFractionDigits: 1,
});
const exact = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
});

export function count(value: number): string {
  return whole.format(value);
}

export function compact(value: number): string {
  return value < 100_000 ? whole.format(value) : compactNumber.format(value);
}

/** "1 task", "4,523 tasks". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** "45.23%": two digits, and never 100% before all is done. */
export function percent(part: number, total: number): string {
  if (total <= 0) return "0.00%";
  const value = part >= total ? 100 : Math.min((part / total) * 100, 99.99);
  return `${value.toFixed(2)}%`;
}

/** Per second, with fewer digits the larger it is. */
export function rate(perSecond: number): string {
  return `${perSecond >= 100 ? whole.format(Math.round(perSecond)) : oneDigit.format(perSecond)}/s`;
}

/** Seconds as "340 ms", "2.4 s", "1 min 12 s", "3 h 05 min", "2 d 4 h". */
export function duration(seconds: number): string {
  if (seconds < 0.001) return "0 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${pad(total % 60)} s`;
  if (total < 86_400)
    return `${Math.floor(total / 3600)} h ${pad(Math.floor((total % 3600) / 60))} min`;
  return `${Math.floor(total / 86_400)} d ${Math.floor((total % 86_400) / 3600)} h`;
}

/** Coarser than `duration`, for estimates: "about 2 min left" must not flicker. */
export function roughDuration(seconds: number): string {
  if (seconds < 10) return "a few seconds";
  if (seconds < 60) return `${Math.ceil(seconds / 5) * 5} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return duration(Math.ceil(seconds / 60) * 60);
}

export function exactTime(iso: string): string {
  return exact.format(new Date(iso));
}

export function clockTime(iso: string): string {
  return clock.format(new Date(iso));
}

/** "12 s ago", "4 min ago", "in 3 h", "18 Nov". `now` in milliseconds. */
export function relativeTime(iso: string, now: number): string {
  const then = new Date(iso);
  const seconds = Math.round((now - then.getTime()) / 1000);
  const ahead = seconds < 0;
  const size = Math.abs(seconds);
  if (size < 3) return "now";
  if (size >= 7 * 86_400) {
    return then.getFullYear() === new Date(now).getFullYear()
      ? day.format(then)
      : dayAndYear.format(then);
  }
  const text =
    size < 60
      ? `${size} s`
      : size < 3600
        ? `${Math.floor(size / 60)} min`
        : size < 86_400
          ? `${Math.floor(size / 3600)} h`
          : `${Math.floor(size / 86_400)} d`;
  return ahead ? `in ${text}` : `${text} ago`;
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  if (size < 1024 ** 2) return `${oneDigit.format(size / 1024)} KB`;
  return `${oneDigit.format(size / 1024 ** 2)} MB`;
}

/** UUIDv7 begins with the time, so that the tail is what tells two of them apart. */
export function shortId(id: string): string {
  return id.slice(-8);
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
