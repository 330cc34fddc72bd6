import { HttpService } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import type { AxiosResponse } from 'axios';
import { firstValueFrom } from 'rxjs';
import { Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { inSpan, traceHeaders } from '../platform/telemetry/spans.js';
import { UpstreamMetrics } from './upstream-metrics.js';
import { CallBudget } from './call-budget.js';
import {
  type CallOptions,
  type Cluster,
  type Machine,
  type MachineDetails,
  type MachineListing,
  type MachineOrder,
  type MigrationJob,
  NovitaClient,
  type Product,
  type ProductQuery,
  type Template,
} from './novita-client.js';
import { classifyRefusal, NovitaError } from './novita.errors.js';
import {
  fromMachineOrder,
  toClusters,
  toCreatedId,
  toMachineDetails,
  toMachinePage,
  toMigrationJobs,
  toProducts,
  toRefusal,
  toTemplate,
} from './novita.wire.js';

const PAGE_SIZE = 100;
const MAX_PAGES = 1000;

interface Call {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Record<string, string | number | undefined>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

/** Novita's v1 API over HTTP. No call is ever repeated here: who may repeat what is the lifecycle's decision. */
@Injectable()
export class NovitaHttpClient extends NovitaClient {
  constructor(
    private readonly http: HttpService,
    private readonly budget: CallBudget,
    private readonly metrics: UpstreamMetrics,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {
    super();
  }

  override async listClusters(options: CallOptions): Promise<readonly Cluster[]> {
    return toClusters(await this.call({ name: 'clusters', method: 'GET', path: '/clusters' }, options));
  }

  override async listProducts(query: ProductQuery, options: CallOptions): Promise<readonly Product[]> {
    const { productName, clusterId, gpuNum, billingMode } = query;
    const filter = { productName, clusterId, gpuNum, billingMethod: billingMode };
    return toProducts(await this.call({ name: 'products', method: 'GET', path: '/products', query: filter }, options));
  }

  override async getTemplate(templateId: string, options: CallOptions): Promise<Template> {
    const call: Call = { name: 'template', method: 'GET', path: '/template', query: { templateId } };
    const template = toTemplate(await this.call(call, options));
    if (template === null) throw new NovitaError('unavailable', 'unknown', call.name, 'UNREADABLE_ANSWER');
    return template;
  }

  override async createMachine(order: MachineOrder, options: CallOptions): Promise<{ novitaId: string }> {
    const timeoutMs = this.settings.novitaCreateTimeoutMs;
    const body = fromMachineOrder(order);
    const call: Call = { name: 'create', method: 'POST', path: '/gpu/instance/create', body, timeoutMs };
    const novitaId = toCreatedId(await this.call(call, options));
    if (novitaId === null) throw new NovitaError('unavailable', 'unknown', call.name, 'UNREADABLE_ANSWER');
    return { novitaId };
  }

  /**
   * Pages count from 1; page 0 shows the same as page 1 where it is tolerated. Machines that move between pages while
   * they are read are told apart by id; a count that falls short of `total` makes the listing incomplete.
   */
  override async listMachines(filter: { name?: string }, options: CallOptions): Promise<MachineListing> {
    const machines = new Map<string, Machine>();
    for (let pageNum = 1; pageNum <= MAX_PAGES; pageNum += 1) {
      const query = { pageSize: PAGE_SIZE, pageNum, name: filter.name };
      const page = toMachinePage(
        await this.call({ name: 'list', method: 'GET', path: '/gpu/instances', query }, options),
      );
      if (page === null) return { machines: [...machines.values()], complete: false };
      const before = machines.size;
      for (const machine of page.machines) machines.set(machine.id, machine);
      const isLast = page.rows < PAGE_SIZE || machines.size === before;
      if (isLast) return { machines: [...machines.values()], complete: machines.size >= (page.total ?? 0) };
    }
    return { machines: [...machines.values()], complete: false };
  }

  override async findMachine(novitaId: string, options: CallOptions): Promise<MachineDetails | null> {
    const call: Call = { name: 'get', method: 'GET', path: '/gpu/instance', query: { instanceId: novitaId } };
    try {
      const machine = toMachineDetails(await this.call(call, options));
      return machine === null || machine.status === 'removed' ? null : machine;
    } catch (error) {
      if (error instanceof NovitaError && error.errorClass === 'not-found') return null;
      throw error;
    }
  }

  override async startMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('start', novitaId, options);
  }

  override async stopMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('stop', novitaId, options);
  }

  override async restartMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('restart', novitaId, options);
  }

  override async deleteMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('delete', novitaId, options);
  }

  override async migrateMachine(novitaId: string, options: CallOptions): Promise<void> {
    await this.act('migrate', novitaId, options);
  }

  override async listMigrationJobs(since: Date, options: CallOptions): Promise<readonly MigrationJob[]> {
    const jobs = new Map<string, MigrationJob>();
    const startTime = Math.floor(since.getTime() / 1000);
    for (let pageNum = 1; pageNum <= MAX_PAGES; pageNum += 1) {
      const query = { pageSize: PAGE_SIZE, pageNum, startTime };
      const page = toMigrationJobs(await this.call({ name: 'jobs', method: 'GET', path: '/jobs', query }, options));
      const before = jobs.size;
      for (const job of page) jobs.set(job.id, job);
      if (page.length < PAGE_SIZE || jobs.size === before) break;
    }
    return [...jobs.values()];
  }

  private async act(name: string, instanceId: string, options: CallOptions): Promise<void> {
    await this.call({ name, method: 'POST', path: `/gpu/instance/${name}`, body: { instanceId } }, options);
  }

  private async call(call: Call, { lane, sendBefore }: CallOptions): Promise<unknown> {
    await this.budget.take(lane, call.name);
    if (sendBefore !== undefined && this.clock.now() > sendBefore)
      throw new NovitaError('rate-limited', 'not-sent', call.name, 'TOO_LATE');
    const stopTimer = this.metrics.startCall(call.name);
    try {
      const attributes = { 'http.request.method': call.method, 'server.address': 'novita', 'url.template': call.path };
      const body = await inSpan(`${call.method} ${call.name}`, { kind: 'client', attributes }, () => this.send(call));
      stopTimer('ok');
      await this.budget.noteSuccess();
      return body;
    } catch (error) {
      const failure =
        error instanceof NovitaError ? error : new NovitaError('unavailable', 'unknown', call.name, networkCode(error));
      stopTimer(failure.errorClass);
      await this.budget.noteFailure(failure);
      throw failure;
    }
  }

  private async send(call: Call): Promise<unknown> {
    const timeout = call.timeoutMs ?? this.settings.novitaTimeoutMs;
    const response = await firstValueFrom(
      this.http.request<string>({
        method: call.method,
        url: this.settings.novitaApiBaseUrl + call.path,
        params: call.query,
        headers: traceHeaders(),
        data: call.body === undefined ? undefined : JSON.stringify(call.body),
        // axios' own timeout does not end an answer that drips.
        signal: AbortSignal.timeout(timeout),
        timeout,
      }),
    );
    return this.readAnswer(call, response);
  }

  private readAnswer(call: Call, response: AxiosResponse<string>): unknown {
    const body = parseJson(response.data);
    if (response.status >= 200 && response.status < 300) {
      // Actions answer with an empty body, an object or nothing readable; for them the status is the answer.
      if (body === undefined && call.method === 'GET')
        throw new NovitaError('unavailable', 'unknown', call.name, 'UNREADABLE_ANSWER');
      return body;
    }
    const refusal = toRefusal(response.status, body ?? response.data);
    const errorClass = response.status < 400 ? 'unavailable' : classifyRefusal(refusal);
    // A new machine has no state to be wrong: such an answer to create says that something came of it.
    const isUnclear = errorClass === 'unavailable' || (errorClass === 'wrong-state' && call.name === 'create');
    const outcome = isUnclear ? 'unknown' : 'refused';
    throw new NovitaError(errorClass, outcome, call.name, refusal.reason, retryAfter(response, this.clock.now()));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Seconds, or a date, which counts from now. */
function retryAfter(response: AxiosResponse<string>, now: Date): number | null {
  const header: unknown = response.headers['retry-after'];
  if (typeof header !== 'string' || header.trim() === '') return null;
  const seconds = /^\s*\d/.test(header) ? Number(header) : (Date.parse(header) - now.getTime()) / 1000;
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}

/** A code such as ECONNRESET; never a message, which may hold the URL and more. */
function networkCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'NETWORK';
}
