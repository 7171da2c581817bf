const given = /^#code=(.+)$/.exec(location.hash);
if (given) {
  history.replaceState(null, '', location.pathname + location.search);
  document.getElementById('code').value = decodeURIComponent(given[1]);
  document.querySelector('form').submit();
} else if (location.hash) {
  document.querySelector('form').action += location.hash;  // what else a link says outlives the door
}
