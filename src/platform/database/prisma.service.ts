import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { PrismaClient } from '../../generated/prisma/client.js';
import { Settings } from '../config.js';
import { SharedPool, sharePool } from './statement.js';
import { StatementNames } from './statement-names.js';
import { SteadyClient } from './steady-client.js';

/** Postgres gives up first, so that a stuck statement ends as an error and not as a lost process. */
const SERVER_TIMEOUTS = '-c statement_timeout=3000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000';

/** Nobody waits longer for a connection, or for a turn in what others have the connection for. */
export const CONNECTED_WITHIN_MS = 3_000;

@Injectable()
export class PrismaService extends PrismaClient implements OnModuleInit, OnApplicationShutdown {
  readonly pool: pg.Pool;

  constructor(settings: Settings) {
    const pool = new SharedPool({
      Client: SteadyClient,
      connectionString: settings.databaseUrl,
      max: settings.databasePoolSize,
      connectionTimeoutMillis: CONNECTED_WITHIN_MS,
      // A half-open connection never answers: the query must end on our side as well.
      query_timeout: 4000,
      keepAlive: true,
      // Statements of one transaction need not wait for each other's answers; see `together`.
      pipeline: true,
      options: SERVER_TIMEOUTS,
      application_name: `novita-gpu-instances ${settings.replicaId.slice(0, 8)}`,
    });
    pool.on('error', () => undefined);
    const names = new StatementNames('prisma-');
    const statementNameGenerator = ({ sql }: { sql: string }) => names.of(sql) ?? '';
    super({ adapter: new PrismaPg(pool, { disposeExternalPool: true, statementNameGenerator }) });
    this.pool = pool;
    sharePool(this, pool);
  }

  async onModuleInit(): Promise<void> {
    await this.$connect();
  }

  // After the HTTP server has drained: Nest runs onModuleDestroy before that.
  async onApplicationShutdown(): Promise<void> {
    await this.$disconnect();
  }
}
