import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Draining } from '../platform/draining.js';
import { DueWork } from './due-work.js';
import { MachineObserver } from './machine-observer.js';

const OBSERVE_EVERY_MS = 50;
const LOOK_FOR_DUE_WORK_EVERY_MS = 500;

/** The lifecycle's timers; what a tick does is decided by rows and leases. */
@Injectable()
export class LifecycleSchedule {
  private readonly logger = new Logger(LifecycleSchedule.name);

  constructor(
    private readonly observer: MachineObserver,
    private readonly dueWork: DueWork,
    private readonly draining: Draining,
  ) {}

  @Interval(OBSERVE_EVERY_MS)
  async observe(): Promise<void> {
    if (this.draining.isOn) return;
    await this.observer.tick().catch((error: unknown) => this.note(error));
  }

  @Interval(LOOK_FOR_DUE_WORK_EVERY_MS)
  wakeDueWork(): Promise<void> {
    return this.dueWork.wake().catch((error: unknown) => this.note(error));
  }

  private note(error: unknown): void {
    this.logger.warn({ err: error }, 'a tick failed; the next one does its work');
  }
}
