import type { MigrationJob } from '../../novita/novita-client.js';

/** The newest job that moves the machine, begun at `since` or later. Other jobs, such as saving its image, say nothing of a move. */
export function newestJobOf(jobs: readonly MigrationJob[], novitaId: string, since: Date): MigrationJob | null {
  const own = jobs.filter(
    (job) =>
      job.novitaId === novitaId && job.type !== 'saveImage' && (job.createdAt === null || job.createdAt >= since),
  );
  const [newest] = own.toSorted((a, b) => (b.createdAt?.getTime() ?? 0) - (a.createdAt?.getTime() ?? 0));
  return newest ?? null;
}
