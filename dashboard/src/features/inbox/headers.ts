/** Headers as name and value, whichever of the two JSON shapes they come in. */
export function headerPairs(headers: unknown): [string, string][] {
  if (Array.isArray(headers)) {
    return headers.map((pair: unknown): [string, string] => {
      if (Array.isArray(pair)) return [String(pair[0]), String(pair[1])];
      const { name, value } = pair as { name: unknown; value: unknown };
      return [String(name), String(value)];
    });
  }
  if (typeof headers !== "object" || headers === null) return [];
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each): [string, string] => [name, String(each)]),
  );
}
