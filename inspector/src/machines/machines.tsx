export default function X() {
  return <p>…</p>;
}
