/** A data centre. `name` is the display code that users know as region, without the place in brackets. */
export interface Cluster {
  readonly id: string;
  readonly name: string;
}

export type BillingMode = 'spot' | 'onDemand';

/** A GPU product. Prices are micro-USD per GPU and hour; null where the billing mode is not sold. */
export interface Product {
  readonly id: string;
  readonly name: string;
  readonly deployable: boolean;
  /** Display codes; empty means everywhere. */
  readonly regions: readonly string[];
  readonly onDemandMicros: bigint | null;
  readonly spotMicros: bigint | null;
  readonly minRootfsGb: number;
  readonly maxRootfsGb: number;
}

export interface EnvironmentVariable {
  readonly key: string;
  readonly value: string;
}

export interface TemplateTool {
  readonly name: string;
  readonly port: string;
  readonly type: string;
}

export interface Template {
  readonly id: string;
  readonly image: string;
  readonly imageAuthId: string | null;
  readonly command: string;
  readonly entrypoint: string;
  readonly rootfsSizeGb: number | null;
  readonly ports: readonly MappedPort[];
  readonly envs: readonly EnvironmentVariable[];
  readonly tools: readonly TemplateTool[];
  readonly minCudaVersion: string | null;
}

export interface MappedPort {
  readonly port: number;
  readonly type: 'http' | 'tcp';
}

/** What is sent to buy a machine: a template expanded, since create takes no template id. */
export interface MachineOrder {
  readonly name: string;
  readonly productId: string;
  readonly clusterId: string;
  readonly gpuNum: number;
  readonly rootfsSizeGb: number;
  readonly billingMode: BillingMode;
  readonly template: Template;
}

/** The statuses this service acts on; whatever else upstream says is `other`, kept raw beside it. */
export type MachineStatus =
  | 'creating'
  | 'pulling'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'exited'
  | 'restarting'
  | 'migrating'
  | 'removing'
  | 'removed'
  | 'other';

export type SpotStatus = 'running' | 'notified' | 'reclaiming' | 'terminated' | '';

/** A machine as the list call shows it. */
export interface Machine {
  readonly id: string;
  readonly name: string;
  readonly status: MachineStatus;
  readonly rawStatus: string;
  /** Upstream's complaint about the machine; empty when all is well. */
  readonly statusError: string;
  readonly spotStatus: SpotStatus;
  /** The announced time of reclaim; null when none is announced. */
  readonly reclaimAt: Date | null;
  readonly clusterId: string;
  readonly billingMode: string;
  readonly createdAt: Date | null;
}

export interface Endpoint {
  readonly port: number;
  readonly type: 'http' | 'tcp';
  /** http: a URL with scheme; tcp: `host:port`. */
  readonly endpoint: string;
}

/** What only the get call shows. Ports and passwords change with every start. */
export interface MachineDetails extends Machine {
  readonly endpoints: readonly Endpoint[];
  readonly ssh: { readonly command: string; readonly password: string; readonly isRunning: boolean } | null;
  readonly jupyterUrl: string | null;
  readonly webTerminalUrl: string | null;
  /** Upstream jobs that are still at work on the machine. */
  readonly jobIds: readonly string[];
}

export interface MachineListing {
  readonly machines: readonly Machine[];
  /** False: something may be missing, so nothing may be concluded from what is not there. */
  readonly complete: boolean;
}

export interface MigrationJob {
  readonly id: string;
  readonly novitaId: string;
  readonly type: string;
  readonly state: 'pulling' | 'running' | 'fail' | 'success' | 'break' | 'other';
  readonly createdAt: Date | null;
}

/** Who goes first when the budget of upstream calls is short. */
export type Lane = 'urgent' | 'order' | 'sweep';

export interface CallOptions {
  readonly lane: Lane;
  /** Not sent at all after this moment: a process that was stopped, or waited long for its turn, is too late. */
  readonly sendBefore?: Date;
}

/** The one place that talks to Novita. Every method may throw NovitaError; none retries a write. */
export abstract class NovitaClient {
  abstract listClusters(options: CallOptions): Promise<readonly Cluster[]>;
  abstract listProducts(query: ProductQuery, options: CallOptions): Promise<readonly Product[]>;
  abstract getTemplate(templateId: string, options: CallOptions): Promise<Template>;
  /** Sent once. A NovitaError with `outcome: 'unknown'` means the machine may exist. */
  abstract createMachine(order: MachineOrder, options: CallOptions): Promise<{ readonly novitaId: string }>;
  /** All pages; with `name` only what upstream's fuzzy filter lets through. */
  abstract listMachines(filter: { readonly name?: string }, options: CallOptions): Promise<MachineListing>;
  /** Null when upstream says that there is no such machine. */
  abstract findMachine(novitaId: string, options: CallOptions): Promise<MachineDetails | null>;
  abstract startMachine(novitaId: string, options: CallOptions): Promise<void>;
  abstract stopMachine(novitaId: string, options: CallOptions): Promise<void>;
  abstract restartMachine(novitaId: string, options: CallOptions): Promise<void>;
  abstract deleteMachine(novitaId: string, options: CallOptions): Promise<void>;
  abstract migrateMachine(novitaId: string, options: CallOptions): Promise<void>;
  abstract listMigrationJobs(since: Date, options: CallOptions): Promise<readonly MigrationJob[]>;
}

export interface ProductQuery {
  readonly productName: string;
  readonly clusterId: string;
  readonly gpuNum: number;
  readonly billingMode: BillingMode;
}
