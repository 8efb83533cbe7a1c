// Bundles the front end into dist/: index.html and files whose names change with their content.
import { build } from 'esbuild';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = join(here, 'dist');
/** Budgets in bytes, packed: what the first page needs, all code together, and the styles. */
const budgets = { initial: 60_000, code: 120_000, styles: 12_000 };

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, 'assets'), { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: ['src/main.tsx', 'src/style.css'],
  outdir: 'dist/assets',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  metafile: true,
});
const outputs = result.metafile.outputs;
const paths = Object.keys(outputs);
const named = (source) => paths.find((path) => outputs[path].entryPoint === source);
const [script, style] = [named('src/main.tsx'), named('src/style.css')];
const initial = withImports(script);
const page = (await readFile(join(here, 'index.html'), 'utf8'))
  .replace('{script}', `assets/${basename(script)}`)
  .replace('{style}', `assets/${basename(style)}`)
  // What the script needs at once is fetched beside it, and not after it was read.
  .replace('{modules}', [...initial].filter((path) => path !== script).map((path) => `<link rel="modulepreload" href="assets/${basename(path)}">\n`).join(''));
await writeFile(join(dist, 'index.html'), page);

const packed = { initial: 0, code: 0, styles: 0 };
for (const file of ['index.html', ...(await readdir(join(dist, 'assets'))).map((f) => `assets/${f}`)]) {
  const plain = await readFile(join(dist, file));
  const gzip = gzipSync(plain, { level: 9 });
  await writeFile(join(dist, `${file}.gz`), gzip);
  console.log(`${file}: ${plain.length} bytes, ${gzip.length} packed`);
  if (file.endsWith('.css')) packed.styles += gzip.length;
  if (file.endsWith('.js')) packed.code += gzip.length;
  if (initial.has(`dist/${file}`)) packed.initial += gzip.length;
}
for (const [what, budget] of Object.entries(budgets)) {
  console.log(`${what}: ${packed[what]} of ${budget} bytes`);
  if (packed[what] > budget) throw new Error(`${what} is larger than its budget of ${budget} bytes`);
}

/** A file and what it imports at once, not what it may fetch later. */
function withImports(path, found = new Set()) {
  if (found.has(path)) return found;
  found.add(path);
  for (const { path: other, kind } of outputs[path].imports) if (kind === 'import-statement') withImports(other, found);
  return found;
}
