import type { Server } from './lab.ts';
import { rounded, say } from './progress.ts';
import { ROUNDS } from './settings.ts';

export interface Contender<T> {
  readonly name: string;
  /** Starts what is measured; `stay` is for those that may run on, idle, while the other one is measured. */
  start(): Promise<Server>;
  readonly stays: boolean;
  measure(server: Server, round: number): Promise<T>;
  tell(result: T): string;
}

/** A B A B …, so that whatever disturbs the machine for a while disturbs both. */
export async function alternate<A, B>(
  title: string,
  ours: Contender<A>,
  theirs: Contender<B>,
  rounds = ROUNDS,
): Promise<{ ours: A[]; theirs: B[] }> {
  const [a, b] = [new Turn(ours), new Turn(theirs)];
  try {
    const results = { ours: [] as A[], theirs: [] as B[] };
    for (let round = 1; round <= rounds; round += 1) {
      results.ours.push(await a.take(`${title}: round ${round} of ${rounds}`, round));
      results.theirs.push(await b.take(`${title}: round ${round} of ${rounds}`, round));
    }
    return results;
  } finally {
    await Promise.all([a.end(), b.end()]);
  }
}

class Turn<T> {
  private readonly contender: Contender<T>;
  private server: Server | null = null;

  constructor(contender: Contender<T>) {
    this.contender = contender;
  }

  async take(where: string, round: number): Promise<T> {
    const { contender } = this;
    this.server ??= await contender.start();
    const cpuBefore = this.server.child.cpuSeconds();
    const result = await contender.measure(this.server, round);
    const cpu = cpuBefore === null ? '' : `, ${rounded((this.server.child.cpuSeconds() ?? 0) - cpuBefore)} s of CPU`;
    say(`${where}, ${contender.name}: ${contender.tell(result)}${cpu}`);
    if (!contender.stays) await this.end();
    return result;
  }

  async end(): Promise<void> {
    await this.server?.stop();
    this.server = null;
  }
}
