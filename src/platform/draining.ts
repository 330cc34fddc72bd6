import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';

/**
 * The time between the order to stop and the end: readiness says no, background work is handed back, and what still comes in is
 * answered and told to come in elsewhere.
 */
@Injectable()
export class Draining implements BeforeApplicationShutdown {
  private readonly logger = new Logger(Draining.name);
  private readonly handOvers: (() => Promise<void>)[] = [];
  private begun: Promise<void> | null = null;

  get isOn(): boolean {
    return this.begun !== null;
  }

  /** Registers what has to be let go of as soon as it begins. */
  handOver(letGo: () => Promise<void>): void {
    this.handOvers.push(letGo);
  }

  /** Resolves when everything is handed over; what cannot be (the database is away) is found by its lease's end. */
  begin(): Promise<void> {
    this.begun ??= this.letGoOfAll();
    return this.begun;
  }

  // For an application that is closed without being told before, as tests do.
  async beforeApplicationShutdown(): Promise<void> {
    await this.begin();
  }

  private async letGoOfAll(): Promise<void> {
    const results = await Promise.allSettled(this.handOvers.map((letGo) => letGo()));
    for (const result of results)
      if (result.status === 'rejected') this.logger.warn({ err: result.reason as unknown }, 'could not be handed over');
  }
}
