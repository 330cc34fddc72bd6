import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { Settings } from '../config.js';

const BEAT_EVERY_MS = 250;
const ANSWER_WITHIN_MS = 2_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;

type Handler = (payload: string) => void;

/**
 * The one connection of this replica that listens to the database. None of the notifications arrive while it is down: whoever
 * listens must also look now and then by itself, or ask whether everything was heard.
 */
@Injectable()
export class Notifications implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Notifications.name);
  private readonly handlers = new Map<string, Handler[]>();
  private client: pg.Client | null = null;
  private timer: NodeJS.Timeout | undefined;
  private retryMs = FIRST_RETRY_MS;
  private hasEnded = false;
  private heardUpTo = -Infinity;
  private readonly beats: string;

  constructor(private readonly settings: Settings) {
    this.beats = `beats-${settings.replicaId}`;
  }

  /** False while notifications may be missed. */
  get isListening(): boolean {
    return this.client !== null;
  }

  /** Whether every notification was heard that was committed until so long ago. */
  hasHeardAllUntil(agoMs: number): boolean {
    return performance.now() - this.heardUpTo < agoMs;
  }

  /**
   * To be called before the application is up. The handler must not throw; it also runs after every reconnection, with an empty
   * payload, as there may be anything new.
   */
  on(channel: string, handler: Handler): void {
    this.handlers.set(channel, [...(this.handlers.get(channel) ?? []), handler]);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.connect();
  }

  async onApplicationShutdown(): Promise<void> {
    this.hasEnded = true;
    clearTimeout(this.timer);
    await this.client?.end().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.settings.databaseUrl,
      connectionTimeoutMillis: 3_000,
      query_timeout: ANSWER_WITHIN_MS,
      keepAlive: true,
      application_name: `novita-gpu-instances listener ${this.settings.replicaId.slice(0, 8)}`,
    });
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === this.beats) this.hear(client, Number(payload));
      else this.ring(channel, payload);
    });
    client.on('error', () => undefined);
    client.once('end', () => this.lose(client));
    try {
      await client.connect();
      for (const channel of [this.beats, ...this.handlers.keys()])
        await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      this.drop(client);
      this.retry(error);
      return;
    }
    if (this.hasEnded) return void client.end().catch(() => undefined);
    this.client = client;
    this.retryMs = FIRST_RETRY_MS;
    for (const channel of this.handlers.keys()) this.ring(channel, '');
    void this.beat(client);
  }

  /**
   * A notification to itself. They arrive in the order of their commits: with this one, all that were committed before it was
   * sent have been heard. And a half-open connection says nothing by itself.
   */
  private async beat(client: pg.Client): Promise<void> {
    if (this.client !== client) return;
    try {
      await client.query('SELECT pg_notify($1, $2)', [this.beats, String(performance.now())]);
      this.timer = setTimeout(() => void this.beat(client), BEAT_EVERY_MS);
    } catch {
      this.drop(client);
      this.lose(client);
    }
  }

  private lose(client: pg.Client): void {
    if (this.client !== client) return;
    this.client = null;
    this.heardUpTo = -Infinity;
    clearTimeout(this.timer);
    this.retry(new Error('the connection was lost'));
  }

  private retry(error: unknown): void {
    if (this.hasEnded) return;
    this.logger.warn({ err: error }, 'not listening to the database; connecting again');
    this.timer = setTimeout(() => void this.connect(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
  }

  private drop(client: pg.Client): void {
    client.end().catch(() => undefined);
  }

  private hear(client: pg.Client, sentAt: number): void {
    if (this.client === client) this.heardUpTo = sentAt;
  }

  private ring(channel: string, payload: string): void {
    for (const handler of this.handlers.get(channel) ?? []) handler(payload);
  }
}
