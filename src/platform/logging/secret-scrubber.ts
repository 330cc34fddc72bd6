const REPLACEMENT = '[secret]';
// A shorter value would be found inside ordinary words and numbers.
const MIN_LENGTH = 6;

/** Knows the values that must never be printed and takes them out of finished lines, wherever they stand. */
export class SecretScrubber {
  private readonly spellings = new Set<string>();
  private readonly shapes = new Set<string>();
  private pattern: RegExp | null = null;

  /** @param source of a regular expression: secrets that nobody here knows, but that can be told by their shape. */
  registerPattern(source: string): void {
    this.shapes.add(source);
    this.rebuild();
  }

  register(value: string | null | undefined): void {
    if (value === null || value === undefined || value.length < MIN_LENGTH) return;
    for (const spelling of spellingsOf(value)) this.spellings.add(escaped(spelling));
    this.rebuild();
  }

  private rebuild(): void {
    // The longest first, so that a secret that begins like another one leaves no rest behind.
    const longestFirst = [...this.spellings].toSorted((a, b) => b.length - a.length);
    this.pattern = new RegExp([...longestFirst, ...this.shapes].join('|'), 'g');
  }

  scrub(line: string): string {
    return this.pattern === null ? line : line.replace(this.pattern, REPLACEMENT);
  }
}

/** As it is, as it stands inside JSON (once and twice), and in a URL. */
function spellingsOf(value: string): string[] {
  const inJson = insideJson(value);
  return [value, inJson, insideJson(inJson), encodeURIComponent(value)].filter((text) => text.length >= MIN_LENGTH);
}

function insideJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
