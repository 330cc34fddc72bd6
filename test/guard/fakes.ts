import type { Socket } from 'node:net';
import { Dialler } from '../../src/webhooks/dialler.js';
import { NameResolver } from '../../src/webhooks/name-resolver.js';

type Answer = string[] | Error | Promise<string[]>;

/** A name server in memory: a name has one answer, or one for each question; every other name does not exist. */
export class FakeResolver extends NameResolver {
  readonly asked: string[] = [];

  constructor(private readonly zone: Readonly<Record<string, Answer | ((question: number) => Answer)>> = {}) {
    super();
  }

  async resolveAll(host: string): Promise<string[]> {
    this.asked.push(host);
    const entry = this.zone[host] ?? new Error(`ENOTFOUND ${host}`);
    const answer = typeof entry === 'function' ? entry(this.asked.length) : entry;
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

/** Writes down whom it was told to call, and calls nobody. */
export class RecordingDialler extends Dialler {
  readonly dialled: string[] = [];

  async dial(address: string, _port: number, _signal: AbortSignal): Promise<Socket> {
    this.dialled.push(address);
    throw new Error('This dialler never connects');
  }
}
