export interface Throttled {
  (): void;
  cancel: () => void;
}

/** Runs `action` at once and then at most every `everyMs`; the last call of a burst is never lost. */
export function throttle(action: () => void, everyMs: number): Throttled {
  let last = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = () => {
    timer = undefined;
    last = Date.now();
    action();
  };
  const throttled = () => {
    if (timer !== undefined) return;
    const wait = last + everyMs - Date.now();
    if (wait <= 0) run();
    else timer = setTimeout(run, wait);
  };
  return Object.assign(throttled, {
    cancel: () => {
      clearTimeout(timer);
      timer = undefined;
    },
  });
}
