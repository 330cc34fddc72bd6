import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import type { Bench } from './bench.ts';
import { type Figure, goalText, isReached, valueText } from './figure.ts';
import type { Circumstances } from './machine.ts';
import { at } from './project.ts';
import { CONNECTIONS, ROUNDS, SECONDS } from './settings.ts';

const DOCUMENT = at('docs/benchmarks.md');
const END = '<!-- bench end -->';

export function keepFigures({ name }: Bench, figures: readonly Figure[], around: Circumstances): void {
  mkdirSync(at('.bench'), { recursive: true });
  const kept = { bench: name, ...around, rounds: ROUNDS, seconds: SECONDS, connections: CONNECTIONS, figures };
  writeFileSync(at('.bench', `${name}.json`), `${JSON.stringify(kept, null, 2)}\n`);
}

export function printFigures({ title }: Bench, figures: readonly Figure[]): void {
  console.log(`\n${title}`);
  for (const figure of figures) {
    const verdict = figure.goal === null ? '' : `  [${goalText(figure)}: ${isReached(figure) ? 'reached' : 'MISSED'}]`;
    console.log(`  ${figure.what}: ${valueText(figure)}${verdict}  ${figure.details}`);
  }
  console.log('');
}

/** Replaces the block of this bench, and nothing else, in the document. */
export async function writeBlock(bench: Bench, figures: readonly Figure[], around: Circumstances): Promise<void> {
  const begin = `<!-- bench ${bench.name} -->`;
  const block = `${begin}\n\n${blockOf(bench, figures, around)}\n\n`;
  const text = readFileSync(DOCUMENT, 'utf8');
  const from = text.indexOf(begin);
  const [before, after] = from === -1 ? splitAt(text, text.indexOf(END)) : cutOut(text, from);
  const options = await resolveConfig(DOCUMENT);
  writeFileSync(DOCUMENT, await format(before + block + after, { ...options, parser: 'markdown' }));
}

function cutOut(text: string, from: number): [string, string] {
  const next = text.indexOf('<!-- bench ', from + 1);
  return [text.slice(0, from), text.slice(next)];
}

function splitAt(text: string, index: number): [string, string] {
  if (index === -1) throw new Error(`${DOCUMENT} has no line ${END}`);
  return [text.slice(0, index), text.slice(index)];
}

function blockOf({ name, title }: Bench, figures: readonly Figure[], around: Circumstances): string {
  const rows = figures.map((figure) => [
    figure.what,
    goalText(figure),
    figure.goal === null || isReached(figure) ? valueText(figure) : `**${valueText(figure)}**`,
    String(figure.rounds),
    figure.details,
  ]);
  const lines = [['What', 'Goal', 'Median (from to)', 'Rounds', 'Made of'], ['-', '-', '-', '-', '-'], ...rows];
  return [
    `### ${title}`,
    '',
    `\`npm run bench -- ${name}\`, commit ${around.commit}, ${around.date}; ${around.machine}.`,
    '',
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
}
