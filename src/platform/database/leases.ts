import { Injectable } from '@nestjs/common';
import { Settings } from '../config.js';
import { workSignals } from '../telemetry/work-signals.js';
import { PrismaService } from './prisma.service.js';

export interface HeldLease {
  readonly name: string;
  /** Grows with every new holder: what a former holder still writes under an older token is refused. */
  readonly token: bigint;
}

/** One holder at a time, by the database's clock; a holder that died is followed by another when its lease ends. */
@Injectable()
export class Leases {
  /** The token that this replica last held each lease with. */
  private readonly held = new Map<string, bigint>();

  constructor(
    private readonly prisma: PrismaService,
    private readonly settings: Settings,
  ) {}

  /** Takes or prolongs the lease; null while another replica holds it. */
  async acquire(name: string, ttlMs: number): Promise<HeldLease | null> {
    const rows = await this.prisma.$queryRaw<{ token: bigint }[]>`
      INSERT INTO leases AS l (name, holder, token, expires_at)
      VALUES (${name}, ${this.settings.replicaId}, 1, clock_timestamp() + make_interval(secs => ${ttlMs / 1000}))
      ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        token = CASE WHEN l.holder = excluded.holder THEN l.token ELSE l.token + 1 END,
        expires_at = excluded.expires_at
      WHERE l.holder = excluded.holder OR l.expires_at < clock_timestamp()
      RETURNING token`;
    const token = rows[0]?.token ?? null;
    this.noteHolding(name, token);
    return token === null ? null : { name, token };
  }

  /** Prolongs the lease for as long as the work lasts. */
  async holdWhile<T>(lease: HeldLease, ttlMs: number, work: () => Promise<T>): Promise<T> {
    const keepAlive = setInterval(() => void this.acquire(lease.name, ttlMs).catch(() => null), ttlMs / 4);
    try {
      return await work();
    } finally {
      clearInterval(keepAlive);
    }
  }

  async isHeld(lease: HeldLease): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<{ held: boolean }[]>`
      SELECT token = ${lease.token} AND expires_at > clock_timestamp() AS held FROM leases WHERE name = ${lease.name}`;
    return rows[0]?.held ?? false;
  }

  async release(lease: HeldLease): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE leases SET expires_at = clock_timestamp()
       WHERE name = ${lease.name} AND token = ${lease.token} AND holder = ${this.settings.replicaId}`;
    this.held.delete(lease.name);
  }

  /** Lost: it was ours, and without our giving it back it is, or has meanwhile been, another's. */
  private noteHolding(name: string, token: bigint | null): void {
    const before = this.held.get(name);
    if (before !== undefined && before !== token) workSignals.leaseLost.tell({ lease: name });
    if (token === null) this.held.delete(name);
    else this.held.set(name, token);
  }
}
