import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAddressOrRange } from './http/client-address.js';

/** Everything that can be set from outside, read once at the start. Names and defaults stand in `.env.example`. */
export class Settings {
  readonly port: number;
  readonly host: string;
  readonly databaseUrl: string;
  readonly databasePoolSize: number;
  readonly logLevel: string;
  readonly novitaApiKey: string | null;
  readonly novitaApiBaseUrl: string;
  /** The keyless trial: the upstream is the stand-in that `npm start` brought up. */
  readonly upstreamIsSandbox: boolean;
  readonly novitaRequestsPerMinute: number;
  readonly novitaTimeoutMs: number;
  readonly novitaCreateTimeoutMs: number;
  readonly deploymentId: string | null;
  readonly machineNamePrefix: string;
  readonly defaultRegion: string;
  readonly fallbackRegions: readonly string[];
  readonly lifecyclePollMs: number;
  readonly startupTimeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly visibilityWindowMs: number;
  readonly orphanGraceMs: number;
  readonly orphanMaxPerSweep: number;
  readonly orphanDryRun: boolean;
  readonly stockOutMemoryMs: number;
  readonly migrationEnabled: boolean;
  readonly migrationIntervalMinutes: number;
  readonly migrationMaxConcurrent: number;
  readonly migrationDryRun: boolean;
  readonly migrationRetryFailed: boolean;
  readonly handoverMaxOverlapMs: number;
  readonly eventsRetentionDays: number;
  readonly webhookSecret: string | null;
  /** Encrypts what is secret in the database; without it a key made once is kept beside the data. */
  readonly secretsKey: string | null;
  readonly webhookAllowedHosts: readonly string[];
  readonly webhookAllowedCidrs: readonly string[];
  /** Null: those of well-known services. */
  readonly webhookDeniedPorts: readonly number[] | null;
  readonly rateLimitEnabled: boolean;
  readonly rateLimitCreatePerMinute: number;
  readonly rateLimitStatusPerMinute: number;
  readonly rateLimitGeneralPerHour: number;
  /** Where rate limits are counted; in the database without it. */
  readonly redisUrl: string | null;
  readonly trustedProxies: readonly string[];
  /** How long a process that was told to stop goes on answering, so that balancers see first that it is not ready. */
  readonly shutdownDelayMs: number;
  readonly otlpEndpoint: string | null;
  readonly otelServiceName: string;
  readonly otelSampleRatio: number;
  /** Good for making the first admin key; of no use once there is one. */
  readonly bootstrapAdminKey: string | null;
  /** Part of every key, so that a key of a test installation is no key of this one. */
  readonly apiKeyEnvironment: string;
  readonly allowAnonymous: boolean;
  /** This process among the replicas; new at every start. */
  readonly replicaId: string;

  constructor(values: Omit<Settings, never>) {
    Object.assign(this, values);
  }
}

/** Every setting that was wrong, so that one start is enough to mend them all. */
export class InvalidSettings extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`These settings are wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

type Env = Record<string, string | undefined>;

/** What a module that stands above this one finds wrong with its settings. */
export type SettingsCheck = (values: Omit<Settings, never>) => readonly string[];

const DISTINCT_LENGTH = 10;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const NOVITA_BASE_URL = 'https://api.novita.ai/gpu-instance/openapi/v1';

/** @throws InvalidSettings listing every wrong value; the values of secrets are never repeated. */
export function loadSettings(env: Env, checks: readonly SettingsCheck[] = []): Settings {
  const read = new EnvReader(env);
  const values: Omit<Settings, never> = {
    port: read.integer('PORT', 3000, 0, 65_535),
    host: read.text('HOST', '127.0.0.1'),
    databaseUrl: read.url('DATABASE_URL', read.confidential('DATABASE_URL'), ['postgres:', 'postgresql:']),
    databasePoolSize: read.integer('DATABASE_POOL_SIZE', 10, 2, 200),
    logLevel: read.oneOf('LOG_LEVEL', 'info', LOG_LEVELS),
    novitaApiKey: read.confidential('NOVITA_API_KEY'),
    novitaApiBaseUrl: read.url('NOVITA_API_BASE_URL', NOVITA_BASE_URL, ['http:', 'https:']).replace(/\/+$/, ''),
    upstreamIsSandbox: read.flag('NOVITA_SANDBOX', false),
    novitaRequestsPerMinute: read.integer('NOVITA_REQUESTS_PER_MINUTE', 100, 1, 10_000_000),
    novitaTimeoutMs: read.seconds('NOVITA_TIMEOUT_SECONDS', 15, 0.1, 300),
    novitaCreateTimeoutMs: read.seconds('NOVITA_CREATE_TIMEOUT_SECONDS', 60, 0.1, 600),
    deploymentId: read.matching('DEPLOYMENT_ID', /^[a-z0-9]{1,12}$/, '1 to 12 characters of a-z and 0-9'),
    machineNamePrefix: read.matching('MACHINE_NAME_PREFIX', /^[a-z][a-z0-9]{1,11}$/, '2 to 12 of a-z, 0-9') ?? 'gpusvc',
    defaultRegion: read.text('DEFAULT_REGION', 'CN-HK-01'),
    fallbackRegions: read.list('FALLBACK_REGIONS'),
    lifecyclePollMs: read.seconds('LIFECYCLE_POLL_SECONDS', 10, 0.05, 3600),
    startupTimeoutMs: read.seconds('STARTUP_TIMEOUT_SECONDS', 600, 0.5, 86_400),
    queueTimeoutMs: read.seconds('QUEUE_TIMEOUT_SECONDS', 600, 0.5, 86_400),
    stopTimeoutMs: read.seconds('STOP_TIMEOUT_SECONDS', 300, 0.5, 86_400),
    visibilityWindowMs: read.seconds('VISIBILITY_WINDOW_SECONDS', 40, 0, 3600),
    orphanGraceMs: read.seconds('ORPHAN_GRACE_SECONDS', 60, 0, 86_400),
    orphanMaxPerSweep: read.integer('ORPHAN_MAX_PER_SWEEP', 20, 0, 10_000),
    orphanDryRun: read.flag('ORPHAN_DRY_RUN', false),
    stockOutMemoryMs: read.seconds('STOCK_OUT_MEMORY_SECONDS', 180, 0, 86_400),
    migrationEnabled: read.flag('MIGRATION_ENABLED', true),
    migrationIntervalMinutes: read.number('MIGRATION_INTERVAL_MINUTES', 15, 0.01, 1440),
    migrationMaxConcurrent: read.integer('MIGRATION_MAX_CONCURRENT', 5, 1, 1000),
    migrationDryRun: read.flag('MIGRATION_DRY_RUN', false),
    migrationRetryFailed: read.flag('MIGRATION_RETRY_FAILED', true),
    handoverMaxOverlapMs: read.seconds('HANDOVER_MAX_OVERLAP_SECONDS', 300, 0, 86_400),
    eventsRetentionDays: read.integer('EVENTS_RETENTION_DAYS', 90, 1, 3650),
    webhookSecret: read.confidential('WEBHOOK_SECRET'),
    secretsKey: read.secret('SECRETS_KEY', 16),
    webhookAllowedHosts: read.list('WEBHOOK_ALLOWED_HOSTS'),
    webhookAllowedCidrs: read.list('WEBHOOK_ALLOWED_CIDRS'),
    webhookDeniedPorts: read.ports('WEBHOOK_DENIED_PORTS'),
    rateLimitEnabled: read.flag('RATE_LIMIT_ENABLED', true),
    rateLimitCreatePerMinute: read.integer('RATE_LIMIT_CREATE_PER_MINUTE', 10, 1, 1_000_000_000),
    rateLimitStatusPerMinute: read.integer('RATE_LIMIT_STATUS_PER_MINUTE', 100, 1, 1_000_000_000),
    rateLimitGeneralPerHour: read.integer('RATE_LIMIT_GENERAL_PER_HOUR', 1000, 1, 1_000_000_000),
    redisUrl: read.optionalUrl('REDIS_URL', ['redis:', 'rediss:']),
    trustedProxies: read.listOf('TRUSTED_PROXIES', isAddressOrRange, 'an address or a network such as 10.0.0.0/8'),
    shutdownDelayMs: read.seconds('SHUTDOWN_DELAY_SECONDS', 2, 0, 5),
    otlpEndpoint: read.optional('OTEL_EXPORTER_OTLP_ENDPOINT') ?? read.optional('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'),
    otelServiceName: read.text('OTEL_SERVICE_NAME', 'novita-gpu-instances'),
    otelSampleRatio: read.number('OTEL_TRACES_SAMPLER_ARG', 1, 0, 1),
    bootstrapAdminKey: read.secret('BOOTSTRAP_ADMIN_KEY', 16),
    apiKeyEnvironment: read.matching('API_KEY_ENVIRONMENT', /^[a-z0-9]{1,12}$/, '1 to 12 of a-z, 0-9') ?? 'live',
    allowAnonymous: read.flag('ALLOW_ANONYMOUS', false),
    replicaId: randomUUID(),
  };
  if (values.novitaApiKey === null && !values.upstreamIsSandbox)
    read.problems.push('NOVITA_API_KEY is missing (without it, `npm start` brings up the sandbox)');
  read.problems.push(...checks.flatMap((check) => check(values)));
  if (read.problems.length > 0) throw new InvalidSettings(read.problems);
  return new Settings(values);
}

/** What may be compared and kept: of secrets only whether they are set. What is new at every start is left out. */
export function withoutSecrets({ replicaId: _replicaId, ...settings }: Settings): object {
  const secret = { databaseUrl: true, novitaApiKey: true, webhookSecret: true, secretsKey: true };
  const hidden = { ...secret, bootstrapAdminKey: true, redisUrl: true };
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, name in hidden ? value !== null : value]),
  );
}

/** What must never be printed, in the forms in which something might print it. */
export function secretsIn(settings: Settings): string[] {
  const { novitaApiKey, webhookSecret, bootstrapAdminKey, secretsKey, databaseUrl, redisUrl } = settings;
  const plain = [novitaApiKey, webhookSecret, bootstrapAdminKey, secretsKey];
  return [...plain, ...[databaseUrl, redisUrl].flatMap(passwordIn)].filter((secret) => secret !== null);
}

/** A short password is looked for between its delimiters alone: it may be a word that stands in many lines. */
function passwordIn(url: string | null): string[] {
  const { password } = new URL(url ?? 'none:');
  if (password === '') return [];
  const spellings = [...new Set([password, decodeURIComponent(password)])];
  return spellings.flatMap((one) => [`:${one}@`, ...(one.length < DISTINCT_LENGTH ? [] : [one])]);
}

class EnvReader {
  readonly problems: string[] = [];

  constructor(private readonly env: Env) {}

  optional(name: string): string | null {
    const value = this.env[name]?.trim();
    return value === undefined || value === '' ? null : value;
  }

  /** The value, or that of the file that NAME_FILE names, as orchestrators hand secrets over. */
  confidential(name: string): string | null {
    const path = this.optional(`${name}_FILE`);
    if (path === null || this.optional(name) !== null) return this.optional(name);
    try {
      const value = readFileSync(path, 'utf8').trim();
      if (value === '') this.problems.push(`${name}_FILE names an empty file`);
      return value === '' ? null : value;
    } catch {
      this.problems.push(`${name}_FILE names a file that cannot be read`);
      return null;
    }
  }

  secret(name: string, minLength: number): string | null {
    const value = this.confidential(name);
    if (value !== null && !(value.length >= minLength && /^[\x21-\x7e]{1,256}$/.test(value)))
      this.problems.push(`${name} must have ${minLength} to 256 characters, all of them ASCII and none a space`);
    return value;
  }

  text(name: string, fallback: string): string {
    return this.optional(name) ?? fallback;
  }

  list(name: string): string[] {
    return (this.optional(name) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }

  listOf(name: string, isWanted: (item: string) => boolean, wanted: string): string[] {
    const items = this.list(name);
    for (const item of items)
      if (!isWanted(item)) this.problems.push(`${name}: cannot use "${item}", expected ${wanted}`);
    return items;
  }

  /** Null when it is not set. */
  ports(name: string): number[] | null {
    if (this.optional(name) === null) return null;
    return this.listOf(name, (item) => /^\d{1,5}$/.test(item) && Number(item) <= 65_535, 'ports such as 5432,6379').map(
      Number,
    );
  }

  matching(name: string, pattern: RegExp, wanted: string): string | null {
    const value = this.optional(name);
    if (value === null || pattern.test(value)) return value;
    this.problems.push(`${name} must be ${wanted}`);
    return null;
  }

  oneOf(name: string, fallback: string, choices: readonly string[]): string {
    const value = this.text(name, fallback);
    if (!choices.includes(value)) this.problems.push(`${name} must be one of ${choices.join(', ')}`);
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.text(name, String(fallback)).toLowerCase();
    if (value !== 'true' && value !== 'false') this.problems.push(`${name} must be true or false`);
    return value === 'true';
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.number(name, fallback, min, max);
    if (Number.isFinite(value) && !Number.isInteger(value)) this.problems.push(`${name} must be a whole number`);
    return value;
  }

  number(name: string, fallback: number, min: number, max: number): number {
    const text = this.optional(name);
    const value = text === null ? fallback : Number(text);
    if (!(value >= min && value <= max)) this.problems.push(`${name} must be a number from ${min} to ${max}`);
    return value;
  }

  /** Given in seconds, fractions allowed; returned in milliseconds. */
  seconds(name: string, fallback: number, min: number, max: number): number {
    return this.number(name, fallback, min, max) * 1000;
  }

  optionalUrl(name: string, protocols: readonly string[]): string | null {
    const value = this.confidential(name);
    return value === null ? null : this.url(name, value, protocols);
  }

  url(name: string, fallback: string | null, protocols: readonly string[]): string {
    const value = this.optional(name) ?? fallback;
    if (value !== null && URL.canParse(value) && protocols.includes(new URL(value).protocol)) return value;
    this.problems.push(`${name} must be a URL with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`);
    return '';
  }
}
