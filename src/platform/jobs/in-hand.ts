/** For so long a job in hand is taken to be getting on. */
const TRUSTED_MS = 5_000;

/** The jobs that this process is working on. */
export class InHand {
  private readonly since = new Map<string, number>();

  /** A second job of the same name and key takes the first one's place. */
  async during<T>(name: string, key: string, work: () => Promise<T>): Promise<T> {
    const id = `${name}/${key}`;
    const startedAt = performance.now();
    this.since.set(id, startedAt);
    try {
      return await work();
    } finally {
      if (this.since.get(id) === startedAt) this.since.delete(id);
    }
  }

  has(name: string, key: string): boolean {
    const startedAt = this.since.get(`${name}/${key}`);
    return startedAt !== undefined && performance.now() - startedAt < TRUSTED_MS;
  }
}
