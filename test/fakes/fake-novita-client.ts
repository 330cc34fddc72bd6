import {
  type CallOptions,
  type Cluster,
  type MachineDetails,
  type MachineListing,
  type MachineOrder,
  type MigrationJob,
  NovitaClient,
  type Product,
  type ProductQuery,
  type Template,
} from '../../src/novita/novita-client.js';
import { NovitaError } from '../../src/novita/novita.errors.js';
import type { FakeUpstream } from './fake-upstream.js';
import type { Actor } from './scheduler.js';

/** Told of every writing call when it leaves the process, and of every create's answer. */
export interface CallWitness {
  onCreateSent(order: MachineOrder): void;
  onActionSent(action: string, novitaId: string): void;
  onCreateAnswered(order: MachineOrder, novitaId: string, actor: Actor): void;
}

interface Call<T> {
  readonly name: string;
  readonly timeoutMs: number;
  readonly effect: () => T;
  readonly onSent?: () => void;
  readonly sendBefore?: Date | undefined;
}

const CREATE = 'create ';
const CLUSTERS: readonly Cluster[] = [
  { id: 'cluster-a', name: 'REGION-A' },
  { id: 'cluster-b', name: 'REGION-B' },
];

/** One process's way to the upstream: turns that are waited for, answers that are lost, and what comes of it. */
export class FakeNovitaClient extends NovitaClient {
  constructor(
    private readonly upstream: FakeUpstream,
    private readonly actor: Actor,
    private readonly witness: CallWitness,
    private readonly timeouts: { readonly callMs: number; readonly createMs: number },
  ) {
    super();
  }

  override async listClusters(_options: CallOptions): Promise<readonly Cluster[]> {
    return this.read('clusters', () => CLUSTERS);
  }

  override async listProducts(query: ProductQuery, _options: CallOptions): Promise<readonly Product[]> {
    const { productName, clusterId } = query;
    const product: Product = {
      id: `product-${clusterId}`,
      name: productName,
      deployable: true,
      regions: [],
      onDemandMicros: 500_000n,
      spotMicros: 200_000n,
      minRootfsGb: 10,
      maxRootfsGb: 1000,
    };
    return this.read('products', () => [product]);
  }

  override async getTemplate(templateId: string, _options: CallOptions): Promise<Template> {
    return this.read('template', () => ({
      id: templateId,
      image: 'image',
      imageAuthId: null,
      command: '',
      entrypoint: '',
      rootfsSizeGb: null,
      ports: [{ port: 8080, type: 'tcp' as const }],
      envs: [],
      tools: [],
      minCudaVersion: null,
    }));
  }

  override async createMachine(order: MachineOrder, { sendBefore }: CallOptions): Promise<{ novitaId: string }> {
    const machine = await this.call({
      name: CREATE + order.name,
      timeoutMs: this.timeouts.createMs,
      effect: () => this.upstream.create(order),
      onSent: () => this.witness.onCreateSent(order),
      sendBefore,
    });
    this.witness.onCreateAnswered(order, machine.id, this.actor);
    return { novitaId: machine.id };
  }

  override async listMachines(filter: { name?: string }, _options: CallOptions): Promise<MachineListing> {
    return this.read(`list ${filter.name ?? 'all'}`, () => this.upstream.list(filter.name));
  }

  override async findMachine(novitaId: string, _options: CallOptions): Promise<MachineDetails | null> {
    return this.read(`get ${novitaId}`, () => this.upstream.get(novitaId));
  }

  override async startMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('start', novitaId, options, () => this.upstream.start(novitaId));
  }

  override async stopMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('stop', novitaId, options, () => this.upstream.stop(novitaId));
  }

  override async restartMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('restart', novitaId, options, () => this.upstream.restart(novitaId));
  }

  override async deleteMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('delete', novitaId, options, () => this.upstream.delete(novitaId));
  }

  override async migrateMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('migrate', novitaId, options, () => this.upstream.migrate(novitaId));
  }

  override async listMigrationJobs(_since: Date, _options: CallOptions): Promise<readonly MigrationJob[]> {
    return this.read('jobs', () => [...this.upstream.jobs]);
  }

  private async read<T>(name: string, effect: () => T): Promise<T> {
    return this.call({ name, timeoutMs: this.timeouts.callMs, effect });
  }

  private async act(action: string, novitaId: string, { sendBefore }: CallOptions, effect: () => void): Promise<void> {
    await this.call({
      name: `${action} ${novitaId}`,
      timeoutMs: this.timeouts.callMs,
      effect,
      onSent: () => this.witness.onActionSent(action, novitaId),
      sendBefore,
    });
  }

  private async call<T>({ name, timeoutMs, effect, onSent, sendBefore }: Call<T>): Promise<T> {
    const { random, faults, scheduler } = this.upstream;
    // The turn in the shared budget; a process that is stopped here sends late.
    await scheduler.pause(this.actor, `turn ${name}`, random.chance(faults.slow) ? random.between(0, 4000) : 0);
    const isLate = sendBefore !== undefined && scheduler.now() > sendBefore;
    if (isLate || random.chance(faults.notSent)) throw new NovitaError('rate-limited', 'not-sent', name);
    const sent = scheduler.nowMs;
    onSent?.();
    const fate = this.fate();
    const isSlow = fate === 'lost-after' || fate === 'lost-before' || random.chance(faults.slow);
    const effectMs = isSlow ? random.fraction() * timeoutMs : random.between(2, 60);
    const answerMs = fate.startsWith('lost') ? timeoutMs : effectMs;
    const attempt = () => this.answer(name, fate, effect);
    const answer = (await scheduler.gate(this.actor, name, attempt, effectMs, answerMs)) as T;
    // A process that slept through the answer finds its own deadline expired.
    if (scheduler.nowMs > sent + timeoutMs && random.chance(0.5)) throw unknown(name);
    return answer;
  }

  private fate(): string {
    const { random, faults } = this.upstream;
    const roll = random.fraction();
    let edge = 0;
    for (const [name, probability] of [
      ['429', faults.rateLimited],
      ['lost-before', faults.lostBefore],
      ['lost-after', faults.lostAfter],
      ['500-after', faults.lostAfter],
      ['400-after', faults.refusedAfter],
    ] as const) {
      edge += probability;
      if (roll < edge) return name;
    }
    return 'ok';
  }

  private answer<T>(name: string, fate: string, effect: () => T): T {
    if (this.upstream.isDown) {
      if (this.upstream.random.chance(0.5)) throw unknown(name);
      throw new NovitaError('unavailable', 'unknown', name, 'INTERNAL');
    }
    if (fate === '429')
      throw new NovitaError('rate-limited', 'refused', name, null, this.upstream.random.pick([null, 3]));
    if (fate === 'lost-before') throw unknown(name);
    const result = effect();
    if (fate === 'lost-after' || fate === '500-after') throw unknown(name);
    if (fate === '400-after' && name.startsWith(CREATE)) {
      this.upstream.refusedYetMade.add(name.slice(CREATE.length));
      throw new NovitaError('invalid', 'refused', name);
    }
    return result;
  }
}

function unknown(name: string): NovitaError {
  return new NovitaError('unavailable', 'unknown', name, 'ETIMEDOUT');
}
