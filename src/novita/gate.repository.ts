import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';

export interface GateState {
  readonly consecutiveFailures: number;
  readonly pausedUntil: Date | null;
  readonly openUntil: Date | null;
  readonly lastSuccessAt: Date | null;
  readonly lastFailureAt: Date | null;
  readonly lastFailureClass: string | null;
}

export interface TakeRequest {
  readonly burst: number;
  readonly perSecond: number;
  /** Tokens that must be in the bucket; one of them is taken. */
  readonly needed: number;
  readonly failuresToOpen: number;
}

export type TakeAnswer =
  | { readonly kind: 'taken'; readonly failures: number }
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'open' };

const NOT_YET_CALLED: GateState = {
  consecutiveFailures: 0,
  pausedUntil: null,
  openUntil: null,
  lastSuccessAt: null,
  lastFailureAt: null,
  lastFailureClass: null,
};

/** The gate's single row, moved by single statements on the database's clock, so that replicas agree. */
@Injectable()
export class GateRepository {
  constructor(private readonly prisma: PrismaService) {}

  async take({ burst, perSecond, needed, failuresToOpen }: TakeRequest): Promise<TakeAnswer> {
    const rows = await this.prisma.$queryRaw<{ taken: boolean; failures: number; open: boolean; wait_ms: number }[]>`
      WITH made AS (
        INSERT INTO upstream_gate (name, tokens, refilled_at, consecutive_failures)
        VALUES ('novita', ${burst}::float8, clock_timestamp(), 0) ON CONFLICT (name) DO NOTHING
      ), seen AS (
        SELECT LEAST(${burst}::float8, tokens + ${perSecond}::float8 * GREATEST(0, extract(epoch FROM clock_timestamp() - refilled_at))) AS level,
               consecutive_failures AS failures,
               consecutive_failures >= ${failuresToOpen} AND open_until > clock_timestamp() AS open,
               GREATEST(0, extract(epoch FROM COALESCE(paused_until, clock_timestamp()) - clock_timestamp())) AS pause
          FROM upstream_gate WHERE name = 'novita' FOR UPDATE
      ), taken AS (
        UPDATE upstream_gate g SET
          tokens = seen.level - 1,
          refilled_at = clock_timestamp(),
          -- One probe at a time while the circuit is half open.
          open_until = CASE WHEN seen.failures >= ${failuresToOpen} THEN clock_timestamp() + interval '5 seconds' ELSE g.open_until END
        FROM seen WHERE g.name = 'novita' AND NOT COALESCE(seen.open, false) AND seen.pause = 0 AND seen.level >= ${needed}::float8
        RETURNING 1
      )
      SELECT EXISTS (SELECT FROM taken) AS taken, failures, COALESCE(open, false) AS open,
             (1000 * GREATEST(pause, (${needed}::float8 - level) / ${perSecond}::float8))::float8 AS wait_ms
        FROM seen`;
    const row = rows[0];
    // The very first call of all makes the row; it is there for the next try.
    if (!row) return { kind: 'wait', waitMs: 0 };
    if (row.taken) return { kind: 'taken', failures: row.failures };
    return row.open ? { kind: 'open' } : { kind: 'wait', waitMs: row.wait_ms };
  }

  async pause(seconds: number): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE upstream_gate SET paused_until = GREATEST(paused_until, clock_timestamp() + make_interval(secs => ${seconds}))
       WHERE name = 'novita'`;
  }

  async recordSuccess(): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE upstream_gate SET consecutive_failures = 0, open_until = NULL, last_success_at = clock_timestamp() WHERE name = 'novita'`;
  }

  /** Opens the circuit for 1, 2, 4 … 30 seconds once failures in a row reach the limit. */
  async recordFailure(errorClass: string, failuresToOpen: number): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE upstream_gate SET
        consecutive_failures = consecutive_failures + 1,
        last_failure_at = clock_timestamp(),
        last_failure_class = ${errorClass},
        open_until = CASE WHEN consecutive_failures + 1 >= ${failuresToOpen}
          THEN clock_timestamp() + make_interval(secs => LEAST(30, power(2, LEAST(10, consecutive_failures + 1 - ${failuresToOpen}))::int))
          ELSE open_until END
       WHERE name = 'novita'`;
  }

  async read(): Promise<GateState> {
    const row = await this.prisma.upstreamGate.findUnique({ where: { name: 'novita' } });
    return row ?? NOT_YET_CALLED;
  }
}
