// Bundles the front end into dist/: index.html and files whose names change with their content.
import { build } from 'esbuild';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = join(here, 'dist');
/** Budgets in bytes, packed. */
const limits = { '.js': 60_000, '.css': 12_000 };

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, 'assets'), { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: ['src/main.tsx', 'src/style.css'],
  outdir: 'dist/assets',
  entryNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  metafile: true,
});
const files = Object.keys(result.metafile.outputs).map((path) => basename(path));
const named = (start, end) => files.find((file) => file.startsWith(start) && file.endsWith(end));
const page = (await readFile(join(here, 'index.html'), 'utf8'))
  .replace('{script}', `assets/${named('main-', '.js')}`)
  .replace('{style}', `assets/${named('style-', '.css')}`);
await writeFile(join(dist, 'index.html'), page);

for (const file of ['index.html', ...(await readdir(join(dist, 'assets'))).map((f) => `assets/${f}`)]) {
  const plain = await readFile(join(dist, file));
  const packed = gzipSync(plain, { level: 9 });
  await writeFile(join(dist, `${file}.gz`), packed);
  console.log(`${file}: ${plain.length} bytes, ${packed.length} packed`);
  const limit = limits[file.slice(file.lastIndexOf('.'))];
  if (limit && packed.length > limit) {
    throw new Error(`${file} is larger than its budget of ${limit} bytes`);
  }
}
