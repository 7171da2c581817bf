// A camera in the page needs https or this very computer; elsewhere the device's own camera takes its place.
() => {
  const camera = Boolean(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
  const hide = (id, hidden) => { const part = document.getElementById(id); if (part) part.hidden = hidden; };
  const tell = () => {
    hide('camera-box', !camera); hide('snapshot-box', camera);
    document.querySelectorAll('#snapshot-box input[type=file]').forEach(
      (input) => { input.setAttribute('capture', 'environment'); input.setAttribute('accept', 'image/*'); });
  };
  tell(); new MutationObserver(tell).observe(document.body, {childList: true, subtree: true});
}
