import type { Order } from './order.ts';
import { machineId, secret } from './random.ts';

export type SpotStatus = '' | 'running' | 'notified' | 'reclaiming' | 'terminated';

export interface Machine {
  id: string;
  /** Order of birth; lists are sorted by it. */
  seq: number;
  order: Order;
  clusterId: string;
  /** `us` when it came through the API; anything else is another user of the same account. */
  owner: string;
  createdAt: number;
  /** Free text, because the control API can set values that nobody documented. */
  status: string;
  statusError: { state: string; message: string };
  /** Raised with every new plan; what an older plan had scheduled is then void. */
  plan: number;
  /** When it last became running; null while it is not. */
  runningSince: number | null;
  lastStartedAt: number | null;
  lastStoppedAt: number | null;
  spotStatus: SpotStatus;
  /** Epoch seconds, 0 when no reclaim is planned. */
  spotReclaimTime: number;
  /** Shows `spotReclaimTime` as "0" although a notice was given. */
  hidesReclaimTime: boolean;
  protectedUntil: number;
  sshPort: number;
  sshPassword: string;
  tcpBasePort: number;
  endpoints: Record<string, string>;
  visibleInListAt: number;
  visibleInGetAt: number;
  /** The list form, kept until something changes. */
  listJson: string | undefined;
}

export function newMachine(order: Order, clusterId: string, owner: string, seq: number, at: number): Machine {
  const isSpot = order.billingMode === 'spot';
  return {
    id: machineId(),
    seq,
    order,
    clusterId,
    owner,
    createdAt: at,
    status: '',
    statusError: { state: '', message: '' },
    plan: 0,
    runningSince: null,
    lastStartedAt: null,
    lastStoppedAt: null,
    spotStatus: isSpot ? 'running' : '',
    spotReclaimTime: 0,
    hidesReclaimTime: false,
    protectedUntil: at,
    ...newCredentials(),
    endpoints: {},
    visibleInListAt: at,
    visibleInGetAt: at,
    listJson: undefined,
  };
}

/** Every start gives a new SSH port, a new password and new tcp mappings. */
export function newCredentials(): Pick<Machine, 'sshPort' | 'sshPassword' | 'tcpBasePort'> {
  return { sshPort: randomPort(), sshPassword: secret(), tcpBasePort: randomPort() };
}

function randomPort(): number {
  return 30000 + Math.floor(Math.random() * 30000);
}

/** Statuses of a machine that has no GPU: it needs one again to start. */
const WITHOUT_GPU = new Set(['exited', 'removed']);

export function holdsGpu(status: string): boolean {
  return status !== '' && !WITHOUT_GPU.has(status);
}

/** GPU time is paid from here … */
export function opensBilling(status: string): boolean {
  return status === 'pulling' || status === 'running';
}

/** … until here. All other statuses leave the meter as it is, `migrating` included. */
export function closesBilling(status: string): boolean {
  return WITHOUT_GPU.has(status);
}

/** 1/100 000 USD per GPU and hour. */
export function unitPrice({ order }: Machine): number {
  return order.billingMode === 'spot' ? Number(order.product.spotPrice) : order.product.price;
}
