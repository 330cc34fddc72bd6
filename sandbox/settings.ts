import { invalidParameter } from './refusal.ts';

/** How long each status lasts, in seconds of virtual time. */
export interface Durations {
  toCreate: number;
  creating: number;
  pulling: number;
  toStart: number;
  starting: number;
  toStop: number;
  stopping: number;
  toRestart: number;
  restarting: number;
  toRemove: number;
  removing: number;
  /** How long a removed machine is still shown, with empty product fields. */
  removed: number;
  migrating: number;
  reclaiming: number;
  /** From an accepted action to the first change of status; until then the old status is still shown. */
  actionLag: number;
  /** From `running` until endpoints and connection data appear. */
  connect: number;
  /** From `running` until the application behind an http port answers; before that it is a 502. */
  app: number;
}

export interface StartupFailure {
  /** A machine whose image contains one of these never comes up. */
  images: string[];
  probability: number;
  state: string;
  message: string;
  endsIn: 'pulling' | 'exited';
}

export interface Settings {
  durations: Durations;
  /** 0.2 makes every duration vary by ±20 %. */
  jitter: number;
  /** Created machines stay out of the list for so long; a pair is a range to draw from. */
  listLagSeconds: number | [number, number];
  /** As above, for get (404 until then). */
  getLagSeconds: number;
  protectedSeconds: number;
  noticeSeconds: number;
  /** Whether a start or a migration begins a new protected hour. */
  protectAgain: boolean;
  defaultPageSize: number;
  maxPageSize: number;
  omitTotal: boolean;
  /** `loopback`: endpoints that this sandbox answers itself. `novita`: host names in the upstream's form, which lead nowhere. */
  endpoints: 'loopback' | 'novita';
  balance: 'ok' | 'empty';
  /** Account quota of live machines. */
  maxMachines: number | null;
  startupFailure: StartupFailure;
}

export function defaultSettings(): Settings {
  return {
    durations: {
      toCreate: 0.5,
      creating: 1.5,
      pulling: 4,
      toStart: 0.3,
      starting: 1.5,
      toStop: 0.3,
      stopping: 1,
      toRestart: 0.3,
      restarting: 1,
      toRemove: 0.3,
      removing: 0.7,
      removed: 0,
      migrating: 4,
      reclaiming: 2,
      actionLag: 0,
      connect: 0.5,
      app: 1,
    },
    jitter: 0,
    listLagSeconds: 0,
    getLagSeconds: 0,
    protectedSeconds: 3600,
    noticeSeconds: 3600,
    protectAgain: false,
    defaultPageSize: 10,
    maxPageSize: 100,
    omitTotal: false,
    endpoints: 'loopback',
    balance: 'ok',
    maxMachines: null,
    startupFailure: {
      images: ['bad-image'],
      probability: 0,
      state: 'error',
      message: 'failed to pull image',
      endsIn: 'pulling',
    },
  };
}

/** Overwrites what `changes` names, two levels deep; an unknown name is refused, so that a typing error shows. */
export function applySettings(settings: Settings, changes: object): void {
  overwrite(settings, changes, '');
}

function overwrite(target: object, changes: object, path: string): void {
  for (const [key, value] of Object.entries(changes) as [string, unknown][]) {
    const current: unknown = Reflect.get(target, key);
    if (!Object.hasOwn(target, key)) throw invalidParameter(`unknown setting ${path}${key}`);
    if (isPlainObject(current) && isPlainObject(value)) overwrite(current, value, `${path}${key}.`);
    else Reflect.set(target, key, value);
  }
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
