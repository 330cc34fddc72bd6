import { execFileSync } from 'node:child_process';
import { cpus, platform, release, totalmem } from 'node:os';
import { at } from './project.ts';

export interface Circumstances {
  readonly machine: string;
  readonly commit: string;
  readonly date: string;
}

export function circumstances(postgresVersion: string): Circumstances {
  const processors = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const machine = [
    `${processors.length} cores of ${processors[0]?.model.trim() ?? 'an unknown processor'}, ${memory}`,
    `${platform()} ${release()}`,
    `Node ${process.versions.node}`,
    `Postgres ${postgresVersion}`,
  ].join('; ');
  return { machine, commit: commit(), date: new Date().toISOString().slice(0, 10) };
}

/** A clone without git, or with changes, has no commit that stands for it. */
function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: at(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== '';
    return git('rev-parse', '--short', 'HEAD') + (isChanged ? ' and changes' : '');
  } catch {
    return 'unknown';
  }
}
