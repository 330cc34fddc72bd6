import type { NotifiedType } from '../../events/event.js';

/** The allow-listed view of an instance that receivers get: no environment values, passwords or upstream ids. */
export interface NotifiedInstance {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly connectionDetails: { readonly ssh?: string; readonly jupyter?: string } | null;
}

export interface Notification {
  readonly type: NotifiedType;
  readonly occurredAt: Date;
  readonly instance: NotifiedInstance;
  readonly error?: { readonly code: string; readonly message: string };
  readonly migration?: Readonly<Record<string, unknown>>;
  readonly reclaim?: Readonly<Record<string, unknown>>;
}

/** The body promised to receivers. Made once: every try and every replay sends these bytes. */
export function webhookBody({ type, occurredAt, instance, error, migration, reclaim }: Notification): string {
  const { id, name, status, connectionDetails } = instance;
  return JSON.stringify({
    event: type,
    instanceId: id,
    // An instance keeps its id through a migration; the field stays for receivers that expect one.
    ...(type === 'instance.migrated' ? { originalInstanceId: id } : {}),
    status,
    timestamp: occurredAt.toISOString(),
    ...(error === undefined ? {} : { error }),
    ...(migration === undefined ? {} : { migration }),
    ...(reclaim === undefined ? {} : { reclaim }),
    ...(type === 'instance.failed'
      ? {}
      : { instance: { id, name, ...(connectionDetails === null ? {} : { connectionDetails }) } }),
  });
}

/** What a test delivery carries: the shape of a real one, and an event name that no real one has. */
export function sampleBody(now: Date): string {
  const connectionDetails = { ssh: 'ssh root@inst-test.example.com', jupyter: 'https://inst-test.example.com:8888' };
  return JSON.stringify({
    event: 'webhook.test',
    instanceId: 'inst-test',
    status: 'running',
    timestamp: now.toISOString(),
    instance: { id: 'inst-test', name: 'test-instance', connectionDetails },
  });
}
