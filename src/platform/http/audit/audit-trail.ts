import { Injectable, Logger } from '@nestjs/common';
import type { AnyTx } from '../../database/statement.js';
import { type Companion, currentCompanion } from '../../database/unit-of-work.js';
import type { AuditEntry, Effect } from './audit-entry.js';
import { AuditRepository } from './audit.repository.js';

/** Entries that wait; beyond this the oldest are dropped rather than kept in memory. They tell of attempts without an effect. */
const MAX_WAITING = 10_000;
const BATCH = 500;

/** Goes along with a mutating request: its first transaction that is committed holds its entry. */
export class AuditCompanion implements Companion {
  isWritten = false;
  effect: Effect = { target: null, before: null, after: null };

  constructor(
    private readonly audit: AuditRepository,
    private readonly describe: (effect: Effect) => AuditEntry,
  ) {}

  async write(tx: AnyTx): Promise<void> {
    if (!this.isWritten) await this.audit.insert(this.describe(this.effect), tx);
  }

  committed(): void {
    this.isWritten = true;
  }
}

/**
 * Names what the request at hand is about, where the address does not (what is being made, an id instead of its alias), and
 * what it does to it.
 */
export function concerning(target: string, { before = null, after = null }: Partial<Effect> = {}): void {
  const companion = currentCompanion();
  if (companion instanceof AuditCompanion) companion.effect = { target, before, after };
}

/** Attempts that had no effect, and so no transaction to be written with; written in batches, soon. */
@Injectable()
export class AuditTrail {
  private readonly logger = new Logger(AuditTrail.name);
  private waiting: AuditEntry[] = [];
  private dropped = 0;

  constructor(private readonly audit: AuditRepository) {}

  note(entry: AuditEntry): void {
    this.waiting.push(entry);
    if (this.waiting.length <= MAX_WAITING) return;
    this.waiting.shift();
    this.dropped += 1;
  }

  async writeDown(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, BATCH);
      try {
        await this.audit.insertAll(batch);
      } catch (error) {
        this.waiting.unshift(...batch);
        throw error;
      }
    }
    if (this.dropped > 0) this.logger.warn({ dropped: this.dropped }, 'audit entries of refused requests were dropped');
    this.dropped = 0;
  }
}
