import type { DestinationStream } from 'pino';
import type { SecretScrubber } from './secret-scrubber.js';

// JSON allows these raw, but viewers end a line at U+2028, terminals obey C1 controls, and bidi marks reorder what is read.
const MISLEADING = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const MAX_LINE_LENGTH = 65_536;
const KEPT_LENGTH = 2_000;

/** The last thing a line passes: no secret, nothing that could pass for another line, and a bounded length. */
export class LineGuard implements DestinationStream {
  constructor(
    private readonly target: DestinationStream,
    private readonly scrubber: SecretScrubber,
  ) {}

  write(line: string): void {
    this.target.write(this.guard(line));
  }

  private guard(line: string): string {
    const clean = this.scrubber.scrub(line).replace(MISLEADING, escaped);
    return clean.length <= MAX_LINE_LENGTH ? clean : cut(clean);
  }
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Still one JSON object on one line, with the level and time of the long one. */
function cut(line: string): string {
  const level = Number(/^\{"level":(\d+)/.exec(line)?.[1] ?? 40);
  const time = /"time":"([^"]+)"/.exec(line)?.[1];
  const msg = 'a log line was too long and was cut';
  return `${JSON.stringify({ level, time, length: line.length, start: line.slice(0, KEPT_LENGTH), msg })}\n`;
}
