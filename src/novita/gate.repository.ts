import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import { run, type Statement } from '../platform/database/statement.js';

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
  | { readonly kind: 'open'; readonly because: string | null };

const REFILLED =
  'LEAST($1::float8, tokens + $2::float8 * GREATEST(0, extract(epoch FROM clock_timestamp() - refilled_at)))';
/** Once for each call to upstream: planned once. */
const TAKE: Statement = {
  name: 'take-turn',
  text: `
    UPDATE upstream_gate SET
      tokens = ${REFILLED} - 1,
      refilled_at = clock_timestamp(),
      -- One probe at a time while the circuit is half open.
      open_until = CASE WHEN consecutive_failures >= $4::int THEN clock_timestamp() + interval '5 seconds' END
    WHERE name = 'novita'
      AND (consecutive_failures < $4::int OR open_until <= clock_timestamp())
      AND COALESCE(paused_until, clock_timestamp()) <= clock_timestamp()
      AND ${REFILLED} >= $3::float8
    -- The turns of the last moments are nothing that a crash of the server must keep: nobody waits for the disk.
    RETURNING consecutive_failures AS failures, set_config('synchronous_commit', 'off', true)`,
};

/** The gate's single row, moved by single statements on the database's clock, so that replicas agree. */
@Injectable()
export class GateRepository {
  constructor(private readonly prisma: PrismaService) {}

  async take({ burst, perSecond, needed, failuresToOpen }: TakeRequest): Promise<TakeAnswer> {
    const { rows: taken } = await run<{ failures: number }>(this.prisma, TAKE, [
      burst,
      perSecond,
      needed,
      failuresToOpen,
    ]);
    return taken[0]
      ? { kind: 'taken', failures: taken[0].failures }
      : this.explainRefusal(perSecond, needed, failuresToOpen);
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

  /** Opens the circuit for 1, 2, 4, 5 seconds, and no longer, so that an upstream that is back is noticed soon, once failures in a row reach the limit. */
  async recordFailure(errorClass: string, failuresToOpen: number): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE upstream_gate SET
        consecutive_failures = consecutive_failures + 1,
        last_failure_at = clock_timestamp(),
        last_failure_class = ${errorClass},
        open_until = CASE WHEN consecutive_failures + 1 >= ${failuresToOpen}
          THEN clock_timestamp() + make_interval(secs => LEAST(5, power(2, LEAST(10, consecutive_failures + 1 - ${failuresToOpen}))::int))
          ELSE open_until END
       WHERE name = 'novita'`;
  }

  async read(): Promise<GateState> {
    return this.prisma.upstreamGate.findUniqueOrThrow({ where: { name: 'novita' } });
  }

  private async explainRefusal(perSecond: number, needed: number, failuresToOpen: number): Promise<TakeAnswer> {
    const rows = await this.prisma.$queryRaw<{ open: boolean; because: string | null; wait_ms: number }[]>`
      SELECT consecutive_failures >= ${failuresToOpen} AND open_until > clock_timestamp() AS open,
             last_failure_class AS because,
             (1000 * GREATEST(
               extract(epoch FROM COALESCE(paused_until, clock_timestamp()) - clock_timestamp()),
               (${needed}::float8 - tokens) / ${perSecond}::float8 - extract(epoch FROM clock_timestamp() - refilled_at)
             ))::float8 AS wait_ms
        FROM upstream_gate WHERE name = 'novita'`;
    return rows[0]?.open ? { kind: 'open', because: rows[0].because } : { kind: 'wait', waitMs: rows[0]?.wait_ms ?? 0 };
  }
}
