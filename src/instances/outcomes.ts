import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Patience } from '../platform/http/prefer-wait.js';
import { type Instance, isSettled, type Phase } from './domain/instance.js';
import { InstancesRepository } from './instances.repository.js';

const LOOK_EVERY_MS = 200;
const MAX_WAITING = 1_000;

interface Waiting {
  readonly instanceId: string;
  readonly done: () => void;
}

/** Holds answers until it is known what became of an instance. However many wait, one look at the rows serves them all. */
@Injectable()
export class Outcomes implements OnModuleDestroy {
  private readonly waiting = new Set<Waiting>();
  private looking = false;
  private closing = false;

  constructor(private readonly instances: InstancesRepository) {}

  /** The instance when it has settled, when patience ends, or when the process does. */
  async of(instance: Instance, patience: Patience): Promise<Instance> {
    if (patience.waitMs === 0 || this.closing || this.waiting.size >= MAX_WAITING) return instance;
    patience.heed();
    if (isSettled(instance.phase)) return instance;
    const since = performance.now();
    await this.wait(instance.id, patience);
    patience.held(performance.now() - since);
    return (await this.instances.find(instance.id)) ?? instance;
  }

  /** Before the HTTP server waits for its requests to end. */
  onModuleDestroy(): void {
    this.closing = true;
    for (const { done } of this.waiting) done();
  }

  private async wait(instanceId: string, patience: Patience): Promise<void> {
    await new Promise<void>((resolve) => {
      const waiting = { instanceId, done: () => finish() };
      const timer = setTimeout(() => finish(), patience.waitMs);
      const finish = () => {
        clearTimeout(timer);
        this.waiting.delete(waiting);
        resolve();
      };
      patience.gone.addEventListener('abort', finish);
      this.waiting.add(waiting);
      if (!this.looking) void this.look();
    });
  }

  private async look(): Promise<void> {
    this.looking = true;
    while (this.waiting.size > 0) {
      await sleep(LOOK_EVERY_MS, undefined, { ref: false });
      const ids = [...this.waiting].map(({ instanceId }) => instanceId);
      // A look that fails says nothing; the next one, or the end of patience, comes soon.
      const phases = await this.instances.phasesOf(ids).catch(() => new Map<string, Phase>());
      for (const { instanceId, done } of this.waiting) {
        const phase = phases.get(instanceId);
        if (phase !== undefined && isSettled(phase)) done();
      }
    }
    this.looking = false;
  }
}
