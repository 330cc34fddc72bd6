/** Each is kept by every connection, here and in the server. */
const MAX_STATEMENTS = 300;
/** What is longer holds a list of values, and will hardly come again with as many. */
const MAX_LENGTH = 6_000;

/** Names for the first statements that come, which are the usual ones; what has no name is planned anew each time. */
export class StatementNames {
  private readonly names = new Map<string, string>();

  constructor(private readonly prefix: string) {}

  of(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || text.length > MAX_LENGTH || this.names.size >= MAX_STATEMENTS) return known;
    const name = `${this.prefix}${this.names.size}`;
    this.names.set(text, name);
    return name;
  }
}
