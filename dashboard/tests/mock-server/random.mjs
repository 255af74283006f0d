// A seeded generator: the same seed gives the same installation, so that two screenshots can be compared.
export function generator(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (low, high) => low + Math.floor(next() * (high - low + 1));
  const pick = (list) => list[int(0, list.length - 1)];
  const hex = (length) => Array.from({ length }, () => int(0, 15).toString(16)).join("");
  const uuid7 = (milliseconds) => {
    const time = Math.floor(milliseconds).toString(16).padStart(12, "0");
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-${"89ab"[int(0, 3)]}${hex(3)}-${hex(12)}`;
  };
  return { next, int, pick, uuid7 };
}
