import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../../clock.js';
import { UnitOfWork } from '../../database/unit-of-work.js';
import { BEFORE_THE_FIRST, hashOf, type Seal, sealOf } from './seal.js';
import { SealsRepository } from './seals.repository.js';

const BATCH = 500;

export interface Verification {
  /** The first seal that does not fit what it stands for; null when all of them do. */
  readonly broken: { readonly seal: Seal; readonly because: string } | null;
  /** The last seal that was found to be right. */
  readonly through: Seal | null;
  readonly seals: number;
  readonly entries: number;
  readonly hasMore: boolean;
}

/** Seals what was written, behind the writers' backs: no writer waits for another, and whatever is changed later shows. */
@Injectable()
export class AuditChain {
  private readonly logger = new Logger(AuditChain.name);

  constructor(
    private readonly seals: SealsRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly clock: Clock,
  ) {}

  async sealAll(): Promise<void> {
    for (;;) {
      const seal = await this.sealNext();
      if (seal === null) return;
      // Logs are kept elsewhere: who cuts the end off the chain, or makes all of it anew, contradicts them.
      this.logger.log({ seal: String(seal.number), entries: seal.entries, hash: seal.hash }, 'audit entries sealed');
      if (seal.entries < BATCH) return;
    }
  }

  /** @param afterNumber the seal to begin behind, which itself is taken as right; 0 for the first. */
  async verify(afterNumber: bigint, limit: number): Promise<Verification> {
    const start = afterNumber === 0n ? null : await this.seals.find(afterNumber);
    const seals = await this.seals.listAfter(afterNumber, limit);
    const found = { seals: 0, entries: 0, hasMore: seals.length === limit };
    let through: Seal | null = null;
    for (const seal of seals) {
      const previous = through ?? start ?? BEFORE_THE_FIRST;
      const because = await this.problemOf(seal, previous);
      if (because !== null) return { ...found, broken: { seal, because }, through };
      through = seal;
      found.seals += 1;
      found.entries += seal.entries;
    }
    return { ...found, broken: null, through };
  }

  private async problemOf(seal: Seal, previous: typeof BEFORE_THE_FIRST): Promise<string | null> {
    if (seal.number !== previous.number + 1n) return `The seal before it, ${seal.number - 1n}, is missing`;
    const entries = await this.seals.between(previous, seal);
    if (entries.length !== seal.entries) return `It was made over ${seal.entries} entries; there are ${entries.length}`;
    return hashOf(seal.number, previous.hash, entries) === seal.hash ? null : 'An entry was changed, or the seal was';
  }

  private async sealNext(): Promise<Seal | null> {
    return this.unitOfWork.run(async (tx) => {
      if (!(await this.seals.tryLock(tx))) return null;
      const previous = (await this.seals.newest(tx)) ?? BEFORE_THE_FIRST;
      const entries = await this.seals.finalAfter(previous, BATCH, tx);
      if (entries.length === 0) return null;
      const seal = sealOf(previous, entries, this.clock.now());
      await this.seals.insert(seal, tx);
      return seal;
    });
  }
}
