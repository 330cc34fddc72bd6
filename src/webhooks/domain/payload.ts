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

/** No body is longer than 20,000 bytes: the upstream's texts are the only ones that have no bound of their own. */
const MAX_ADDRESS_BYTES = 3_000;
const MAX_MESSAGE_LENGTH = 1_000;

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
    ...(error === undefined
      ? {}
      : { error: { code: error.code, message: error.message.slice(0, MAX_MESSAGE_LENGTH) } }),
    ...(migration === undefined ? {} : { migration }),
    ...(reclaim === undefined ? {} : { reclaim }),
    ...(type === 'instance.failed'
      ? {}
      : {
          instance: {
            id,
            name,
            ...(connectionDetails === null ? {} : { connectionDetails: shortOnes(connectionDetails) }),
          },
        }),
  });
}

/** A part of an address leads nowhere, or elsewhere: one that is too long is left out. */
function shortOnes({ ssh, jupyter }: NonNullable<NotifiedInstance['connectionDetails']>) {
  return { ...(isShort(ssh) ? { ssh } : {}), ...(isShort(jupyter) ? { jupyter } : {}) };
}

function isShort(text: string | undefined): text is string {
  return text !== undefined && new TextEncoder().encode(JSON.stringify(text)).length <= MAX_ADDRESS_BYTES;
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
