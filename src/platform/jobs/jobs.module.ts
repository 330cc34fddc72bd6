import { Global, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { HANDLES_JOB } from './handles-job.js';
import type { Job } from './job.js';
import { Jobs } from './jobs.service.js';

type Method = (payload: object) => Promise<unknown>;

/** Finds every @HandlesJob method once all modules are up, and puts it to work. */
@Injectable()
class JobHandlers implements OnApplicationBootstrap {
  constructor(
    private readonly jobs: Jobs,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    for (const { job, handle } of this.find()) {
      await this.jobs.declare(job);
      await this.jobs.work(job, handle);
    }
  }

  private find(): { job: Job<object>; handle: Method }[] {
    return this.discovery.getProviders().flatMap(({ instance }: { instance?: Record<string, unknown> }) => {
      if (instance === null || typeof instance !== 'object') return [];
      const prototype = Object.getPrototypeOf(instance) as Record<string, Method> | null;
      if (prototype === null) return [];
      return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
        const method = prototype[name];
        const job = method && this.reflector.get<Job<object> | undefined>(HANDLES_JOB, method);
        return method && job ? [{ job, handle: method.bind(instance) as Method }] : [];
      });
    });
  }
}

@Global()
@Module({ imports: [DiscoveryModule], providers: [Jobs, JobHandlers], exports: [Jobs] })
export class JobsModule {}
