const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

type Fields = Record<string, unknown>;

/** Where `actual` lacks what the example has, or has it in another form. Empty: a reader of the example is never surprised. */
export function missingFrom(example: unknown, actual: unknown, path = '$'): string[] {
  const [wanted, found] = [kindOf(example), kindOf(actual)];
  if (wanted !== found) return [`${path} is ${found} instead of ${wanted}`];
  if (Array.isArray(example) && Array.isArray(actual))
    return actual.flatMap((item, index) => missingFrom(example[0], item, `${path}[${index}]`));
  if (wanted !== 'object') return [];
  const [fields, given] = [example as Fields, actual as Fields];
  return Object.keys(fields).flatMap((key) =>
    key in given ? missingFrom(fields[key], given[key], `${path}.${key}`) : [`${path}.${key} is missing`],
  );
}

/** What `actual` has beyond the example. */
export function addedTo(example: unknown, actual: unknown): string[] {
  return missingFrom(actual, example).map((problem) => problem.replace(/ is missing$/, ' is new'));
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'string' && ISO.test(value) ? 'time' : typeof value;
}
